"""CLIP's tokenizer from a checkpoint's own files: byte-level BPE on lower-cased text."""

import gzip
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import tokenizers
import torch
from tokenizers import Regex, models, normalizers, pre_tokenizers
from torch import Tensor

from vidskim.errors import CheckpointError, SettingsError

START, END = "<|startoftext|>", "<|endoftext|>"
OPENAI_FILE = "bpe_simple_vocab_16e6.txt.gz"
# Any one of these rows is enough, the first found is read.
FILES = (("tokenizer.json",), ("vocab.json", "merges.txt"), (OPENAI_FILE,))
# OpenAI's file has more merges than its 49,408 ids: 256 bytes, the same ending a word, and two special tokens go off.
OPENAI_MERGES = 49152 - 256 - 2

# Words, single digits, runs of the rest; English endings apart. Source: Radford et al. 2021, `simple_tokenizer`.
_SPLIT = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


class Tokenizer:
    """Texts to token ids; `from_folder` and `from_file` make one."""

    def __init__(self, engine: tokenizers.Tokenizer, *, source: str, pad_id: int | None = None) -> None:
        numbers = engine.get_vocab()
        absent = [name for name in (START, END) if name not in numbers]
        if absent:
            raise CheckpointError(f"{source}: not CLIP's vocabulary, it has no {' and no '.join(absent)}")
        engine.no_truncation()
        engine.no_padding()
        self._engine = engine
        self.start_id, self.end_id = numbers[START], numbers[END]
        self.pad_id = self.end_id if pad_id is None else pad_id

    @classmethod
    def from_folder(cls, path: Path) -> "Tokenizer":
        """The tokenizer of a checkpoint folder.

        Raises:
            CheckpointError: none of `FILES` is there, or it cannot be read.
        """
        for names in FILES:
            files = [path / name for name in names]
            if not all(file.is_file() for file in files):
                continue
            return cls.from_file(files[0]) if len(files) == 1 else cls._from_vocabulary(*files)
        wanted = ", or ".join(" with ".join(names) for names in FILES)
        raise CheckpointError(
            f"{path}: no tokenizer to encode text with; looked for {wanted}. "
            "Pass tokenizer= a folder or file that has one."
        )

    @classmethod
    def from_file(cls, path: Path) -> "Tokenizer":
        """From a tokenizer.json, or from a list of merges as OpenAI publishes it (.txt or .txt.gz).

        Raises:
            CheckpointError: the file is missing or something else.
        """
        if not path.is_file():
            raise CheckpointError(f"{path}: no such file; tokenizer= takes a tokenizer.json or {OPENAI_FILE}")
        if path.suffix == ".json":
            try:
                engine = tokenizers.Tokenizer.from_file(str(path))
            except Exception as error:  # the library raises nothing narrower
                raise CheckpointError(f"{path}: not a tokenizer.json ({error})") from error
            return cls(engine, source=str(path))
        return cls._from_merges(path)

    @classmethod
    def learn(cls, texts: Sequence[str], *, merges: int) -> "Tokenizer":
        """A vocabulary of one's own: pairs merged as often as they occur in `texts`, ids in OpenAI's order.

        Every byte has an id, so any text can be encoded; words of `texts` become few tokens.

        Args:
            texts: what to learn from.
            merges: at most so many, 1 or more; fewer if every word is one token before.

        Source: Sennrich et al. 2016, byte-pair encoding.
        """
        engine = _engine({START: 0, END: 1}, [])
        words = Counter(
            word
            for text in texts
            for word, _ in engine.pre_tokenizer.pre_tokenize_str(engine.normalizer.normalize_str(text))
        )
        pairs = _learn_merges(words, merges)
        ids = [*_byte_words(), *dict.fromkeys("".join(pair) for pair in pairs), START, END]
        numbers = {word: number for number, word in enumerate(ids)}
        return cls(_engine(numbers, [" ".join(pair) for pair in pairs]), source="learnt")

    def save(self, path: Path) -> None:
        """Write a tokenizer.json, which `from_file` reads."""
        self._engine.save(str(path))

    @property
    def vocabulary(self) -> int:
        """Number of ids, special tokens counted."""
        return int(self._engine.get_vocab_size())

    def count(self, texts: Sequence[str], context: int) -> list[int]:
        """How many ids of each text `encode` gives the model, start and end token counted."""
        pieces = self._engine.encode_batch(list(texts), add_special_tokens=False)
        return [2 + min(len(each.ids), context - 2) for each in pieces]

    def encode(self, texts: Sequence[str], context: int) -> Tensor:
        """Token ids, each text between a start and an end token.

        Args:
            texts: any strings; long ones are cut, the end token is kept.
            context: columns, 2 or more; the model's `TextConfig.context`.

        Returns:
            int64 [b, context], padded after the end token.

        Raises:
            SettingsError: one string instead of a list, or a context below 2.
        """
        if isinstance(texts, str):
            raise SettingsError(
                f"texts must be a list of strings, received one string {texts[:40]!r}; pass [text]"
            )
        if context < 2:
            raise SettingsError(f"context must be 2 or more (start and end token), received {context}")
        ids = torch.full((len(texts), context), self.pad_id, dtype=torch.long)
        for row, encoded in enumerate(self._engine.encode_batch(list(texts), add_special_tokens=False)):
            tokens = [self.start_id, *encoded.ids[: context - 2], self.end_id]
            ids[row, : len(tokens)] = torch.tensor(tokens)
        return ids

    @classmethod
    def _from_vocabulary(cls, vocabulary: Path, merges: Path) -> "Tokenizer":
        try:
            numbers = json.loads(vocabulary.read_text(encoding="utf-8"))
            lines = merges.read_text(encoding="utf-8").splitlines()
            engine = _engine(numbers, [line for line in lines if not line.startswith("#version")])
        except CheckpointError:
            raise
        except Exception as error:
            raise CheckpointError(
                f"{vocabulary} with {merges.name}: not a vocabulary and its merges ({error})"
            ) from error
        return cls(engine, source=str(vocabulary))

    @classmethod
    def _from_merges(cls, path: Path) -> "Tokenizer":
        """Ids in OpenAI's order: bytes, bytes that end a word, merges, start, end; padded with 0."""
        try:
            packed = path.read_bytes()
            text = (gzip.decompress(packed) if path.suffix == ".gz" else packed).decode()
            lines = text.split("\n")[1:]  # the first line is a comment
            merges = [line for line in lines if line][:OPENAI_MERGES]
            words = [*_byte_words(), *("".join(line.split()) for line in merges)]
            engine = _engine({word: number for number, word in enumerate([*words, START, END])}, merges)
        except Exception as error:
            raise CheckpointError(f"{path}: not a list of BPE merges, one pair a line ({error})") from error
        return cls(engine, source=str(path), pad_id=0)


def has_tokenizer(folder: Path) -> bool:
    """Whether `Tokenizer.from_folder` finds its files."""
    return any(all((folder / name).is_file() for name in names) for names in FILES)


def _engine(numbers: dict[str, int], merges: Sequence[str]) -> tokenizers.Tokenizer:
    pairs = [(first, second) for first, second in (line.split() for line in merges if line.strip())]
    engine = tokenizers.Tokenizer(
        models.BPE(
            vocab=numbers,
            merges=pairs,
            continuing_subword_prefix="",
            end_of_word_suffix="</w>",
            fuse_unk=False,
            unk_token=END,
        )
    )
    engine.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    engine.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_SPLIT), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    engine.add_special_tokens([token for token in (START, END) if token in numbers])
    return engine


def _learn_merges(words: Mapping[str, int], most: int) -> list[tuple[str, str]]:
    """The most frequent neighbours, merged one after the other; of equals the first in order of the alphabet.

    The library's own trainer breaks ties differently in each process.
    """
    split = {word: [*word[:-1], word[-1] + "</w>"] for word in words}
    merges: list[tuple[str, str]] = []
    while len(merges) < most:
        counts: Counter[tuple[str, str]] = Counter()
        for word, parts in split.items():
            for pair in pairwise(parts):
                counts[pair] += words[word]
        if not counts:
            break
        best = min(counts, key=lambda pair: (-counts[pair], pair))
        merges.append(best)
        split = {word: _merge(parts, best) for word, parts in split.items()}
    return merges


def _merge(parts: list[str], pair: tuple[str, str]) -> list[str]:
    out: list[str] = []
    for part in parts:
        if out and (out[-1], part) == pair:
            out[-1] += part
        else:
            out.append(part)
    return out


def _byte_words() -> list[str]:
    """The first 512 ids: bytes, and bytes that end a word."""
    letters = list(_byte_letters())
    return [*letters, *(letter + "</w>" for letter in letters)]


def _byte_letters() -> str:
    """A printable letter for each byte, in the order of OpenAI's ids: printable ones first, as themselves."""
    printable = [
        *range(ord("!"), ord("~") + 1),
        *range(ord("¡"), ord("¬") + 1),
        *range(ord("®"), ord("ÿ") + 1),
    ]
    others = 256 - len(printable)
    return "".join(map(chr, printable)) + "".join(chr(256 + number) for number in range(others))
