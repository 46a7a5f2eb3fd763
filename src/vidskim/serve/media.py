"""What kind of video a file is, by its first bytes; its name may say anything."""

HEAD_BYTES = 16
# what browsers are told: a fixed type for each container, never one that a file name chose
_UNKNOWN = ("", "application/octet-stream")
_SIGNATURES: tuple[tuple[int, bytes, tuple[str, str]], ...] = (
    (4, b"ftypqt", (".mov", "video/quicktime")),
    (4, b"ftyp3g", (".3gp", "video/3gpp")),
    (4, b"ftyp", (".mp4", "video/mp4")),
    (4, b"moov", (".mov", "video/quicktime")),
    (4, b"mdat", (".mov", "video/quicktime")),
    (4, b"wide", (".mov", "video/quicktime")),
    (0, b"\x1a\x45\xdf\xa3", (".mkv", "video/webm")),  # Matroska; browsers play it as WebM or not at all
    (0, b"FLV\x01", (".flv", "video/x-flv")),
    (0, b"OggS", (".ogv", "video/ogg")),
    (0, b"GIF8", (".gif", "image/gif")),
    (0, b"\x30\x26\xb2\x75", (".wmv", "video/x-ms-asf")),
    (0, b"\x00\x00\x01\xba", (".mpg", "video/mpeg")),
    (0, b"\x00\x00\x01\xb3", (".mpg", "video/mpeg")),
    (0, b"\x47", (".ts", "video/mp2t")),
)


def recognise(head: bytes) -> tuple[str, str]:
    """Suffix and media type.

    Args:
        head: the first `HEAD_BYTES` of a file.

    Returns:
        Such as (".mp4", "video/mp4"); an empty suffix if it is no container that can be read.
    """
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return ".avi", "video/x-msvideo"
    for offset, signature, kind in _SIGNATURES:
        if head[offset : offset + len(signature)] == signature:
            return kind
    return _UNKNOWN
