"""The tokenizer gives transformers' ids from every kind of file."""

import gzip
import json
from pathlib import Path

import pytest
import transformers
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import pre_tokenizers

from vidskim.errors import CheckpointError, SettingsError
from vidskim.models.tokenizer import OPENAI_FILE, Tokenizer, has_tokenizer

START, END = "<|startoftext|>", "<|endoftext|>"
MERGES = [
    "t h",
    "th e</w>",
    "d o",
    "do g</w>",
    "c a",
    "ca t",
    "i t</w>",
    "' s</w>",
    "Ã ©",
    "1 2",
    "h e",
    "he l",
    "l o</w>",
]
LETTERS = sorted(pre_tokenizers.ByteLevel.alphabet())
WORDS = [
    *LETTERS,
    *(letter + "</w>" for letter in LETTERS),
    *(pair.replace(" ", "") for pair in MERGES),
    START,
    END,
]
VOCABULARY = {word: number for number, word in enumerate(WORDS)}

TRICKY = [
    "",
    "   ",
    "the dog",
    "The DOG's  cat,\n\tit's 12 o'clock!!",
    "it's we'll I'd they're you've I'm don't IT'S",
    "café CAFÉ cafe\u0301 ÀÉÎ ß İstanbul",
    "日本語のテキスト mixed 中文 text",
    "emoji 😀👩‍👩‍👧 🏳️‍🌈 end",
    "x²+y³=½ ٣٤ Ⅷ 123456",
    "under_score-hyphen...dots??? (brackets) [more] <html> &amp; #tag @me",
    "zero\u200bwidth no\u00a0break \u2028 line \x00 nul \x7f",
    "the <|endoftext|> dog <|startoftext|>",
    "the dog " * 50,
    "a" * 300,
]


@pytest.fixture
def oracle() -> transformers.CLIPTokenizer:
    return transformers.CLIPTokenizer(vocab=VOCABULARY, merges=[tuple(pair.split()) for pair in MERGES])


def test_counted_are_the_ids_that_encode_gives(folder: Path) -> None:
    tokenizer = Tokenizer.from_folder(folder)
    for context in (2, 5, 20):
        ids = tokenizer.encode(TRICKY, context)
        for row, count in zip(ids, tokenizer.count(TRICKY, context), strict=True):
            assert row[count - 1] == tokenizer.end_id
            assert (row[count:] == tokenizer.pad_id).all()
        assert max(tokenizer.count(TRICKY, context)) == context
    assert tokenizer.count(["", "the dog", "dog"], 77) == [2, 4, 3]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """vocab.json and merges.txt, as published."""
    (tmp_path / "vocab.json").write_text(json.dumps(VOCABULARY))
    (tmp_path / "merges.txt").write_text("#version: 0.2\n" + "\n".join(MERGES) + "\n")
    return tmp_path


def oracle_ids(oracle: transformers.CLIPTokenizer, texts: list[str], context: int) -> list[list[int]]:
    ids = oracle(texts, padding="max_length", truncation=True, max_length=context)["input_ids"]
    assert all(len(row) == context for row in ids)
    return ids


@pytest.mark.parametrize("context", [5, 77])
def test_vocabulary_and_merges(folder: Path, oracle: transformers.CLIPTokenizer, context: int) -> None:
    tokenizer = Tokenizer.from_folder(folder)
    assert tokenizer.encode(TRICKY, context).tolist() == oracle_ids(oracle, TRICKY, context)
    assert tokenizer.vocabulary == len(WORDS)


@pytest.mark.parametrize("context", [5, 77])
def test_tokenizer_json(tmp_path: Path, oracle: transformers.CLIPTokenizer, context: int) -> None:
    expected = oracle_ids(oracle, TRICKY, context)
    oracle.save_pretrained(tmp_path)  # with this call's truncation and padding inside
    assert (tmp_path / "tokenizer.json").is_file()
    assert Tokenizer.from_folder(tmp_path).encode(TRICKY, context).tolist() == expected
    assert Tokenizer.from_file(tmp_path / "tokenizer.json").encode(TRICKY, context).tolist() == expected


@given(texts=st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), max_size=20))
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text(folder: Path, oracle: transformers.CLIPTokenizer, texts: list[str]) -> None:
    ids = Tokenizer.from_folder(folder).encode(texts, 30).tolist()
    assert ids == (oracle_ids(oracle, texts, 30) if texts else [])


def openai_order() -> list[str]:
    """Bytes with a glyph first, in their own order, then the others as letters from 256 on."""
    glyphs = [byte for byte in range(256) if chr(byte).isprintable() and byte not in (32, 160, 173)]
    letters = [chr(byte) for byte in glyphs] + [chr(256 + number) for number in range(256 - len(glyphs))]
    return [
        *letters,
        *(letter + "</w>" for letter in letters),
        *(pair.replace(" ", "") for pair in MERGES),
        START,
        END,
    ]


@pytest.mark.parametrize("packed", [True, False])
def test_openai_merges(tmp_path: Path, packed: bool) -> None:
    text = '"bpe_simple_vocab_16e6.txt#version: 0.2\n' + "\n".join(MERGES) + "\n"
    file = tmp_path / (OPENAI_FILE if packed else "merges_list.txt")
    file.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    tokenizer = Tokenizer.from_folder(tmp_path) if packed else Tokenizer.from_file(file)
    words = openai_order()
    assert tokenizer.vocabulary == len(words) == len(set(words))
    ids = tokenizer.encode(["the Dog's cat", ""], 9)
    spelled = [[words[number] for number in row] for row in ids.tolist()]
    assert spelled[0] == [START, "the</w>", "dog</w>", "'s</w>", "ca", "t</w>", END, "!", "!"]
    assert ids[1].tolist() == [tokenizer.start_id, tokenizer.end_id, 0, 0, 0, 0, 0, 0, 0]
    oracle = transformers.CLIPTokenizer(
        vocab={word: number for number, word in enumerate(words)},
        merges=[tuple(pair.split()) for pair in MERGES],
    )
    for text, row in zip(TRICKY, tokenizer.encode(TRICKY, 77).tolist(), strict=True):
        expected = oracle(text, truncation=True, max_length=77)["input_ids"]
        assert row == expected + [0] * (77 - len(expected))


def test_the_end_is_kept_and_is_the_largest_id(folder: Path) -> None:
    tokenizer = Tokenizer.from_folder(folder)
    ids = tokenizer.encode(["the dog " * 40, "the", ""], 6)
    assert ids.shape == (3, 6)
    assert ids[0].tolist()[0] == tokenizer.start_id
    assert ids[0].tolist()[-1] == tokenizer.end_id
    assert ids.argmax(dim=1).tolist() == [5, 2, 1]  # padding never comes first
    assert tokenizer.encode([], 6).shape == (0, 6)


def test_what_is_no_list_of_texts(folder: Path) -> None:
    tokenizer = Tokenizer.from_folder(folder)
    with pytest.raises(SettingsError, match="texts must be a list of strings, received one string 'a dog'"):
        tokenizer.encode("a dog", 8)
    with pytest.raises(SettingsError, match=r"context must be 2 or more \(start and end token\), received 1"):
        tokenizer.encode(["a dog"], 1)


def test_absent_files_are_named_with_the_way_out(tmp_path: Path) -> None:
    assert not has_tokenizer(tmp_path)
    with pytest.raises(CheckpointError) as caught:
        Tokenizer.from_folder(tmp_path)
    message = str(caught.value)
    assert f"looked for tokenizer.json, or vocab.json with merges.txt, or {OPENAI_FILE}" in message
    assert "tokenizer=" in message
    (tmp_path / "vocab.json").write_text("{}")
    assert not has_tokenizer(tmp_path)
    with pytest.raises(CheckpointError, match="no such file"):
        Tokenizer.from_file(tmp_path / "absent.json")


def test_files_that_are_something_else(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(CheckpointError, match=r"not a tokenizer\.json"):
        Tokenizer.from_folder(tmp_path)
    (tmp_path / "list.txt").write_text("header\none two three\n")
    with pytest.raises(CheckpointError, match="not a list of BPE merges"):
        Tokenizer.from_file(tmp_path / "list.txt")
    (tmp_path / "list.txt.gz").write_bytes(b"not gzip")
    with pytest.raises(CheckpointError, match="not a list of BPE merges"):
        Tokenizer.from_file(tmp_path / "list.txt.gz")


def test_another_vocabulary_is_refused(tmp_path: Path) -> None:
    (tmp_path / "vocab.json").write_text(json.dumps({"a": 0, "b": 1, END: 2}))
    (tmp_path / "merges.txt").write_text("#version: 0.2\n")
    with pytest.raises(CheckpointError, match=r"not CLIP's vocabulary, it has no <\|startoftext\|>"):
        Tokenizer.from_folder(tmp_path)
    (tmp_path / "merges.txt").write_text("x y\n")
    with pytest.raises(CheckpointError, match="not a vocabulary and its merges"):
        Tokenizer.from_folder(tmp_path)


LEARN_FROM = ["a small red star moves up", "a star moves", "the small circle moves down", "red stars"] * 3


def test_a_learnt_vocabulary_holds_its_words_whole_and_every_byte() -> None:
    tokenizer = Tokenizer.learn(LEARN_FROM, merges=100)
    known = sorted({word for text in LEARN_FROM for word in text.split()})
    ids = tokenizer.encode(known, 6)
    assert (ids[:, 0] == tokenizer.start_id).all()
    assert (ids[:, 2] == tokenizer.end_id).all()  # one token between start and end
    assert len(set(ids[:, 1].tolist())) == len(known)
    assert (tokenizer.start_id, tokenizer.end_id) == (tokenizer.vocabulary - 2, tokenizer.vocabulary - 1)
    assert 512 + len(known) < tokenizer.vocabulary <= 512 + 100 + 2
    unseen = tokenizer.encode(["日本 😀 zebra"], 40)[0].tolist()
    assert tokenizer.end_id in unseen
    assert unseen.index(tokenizer.end_id) > 10  # spelled byte by byte, nothing is unknown


def test_more_merges_make_fewer_tokens_until_every_word_is_one() -> None:
    counts = []
    for merges in (1, 5, 26, 27, 500):
        tokenizer = Tokenizer.learn(LEARN_FROM, merges=merges)
        assert tokenizer.vocabulary == 512 + min(merges, 26) + 2
        ends = (tokenizer.encode(LEARN_FROM[:4], 40) == tokenizer.end_id).int().argmax(dim=1)
        counts.append((ends - 1).tolist())
    assert counts[0] == [19, 9, 22, 8]  # all letters, but for one merge
    assert sum(counts[2]) < sum(counts[1]) < sum(counts[0])
    assert counts[2:] == [[len(text.split()) for text in LEARN_FROM[:4]]] * 3


def test_a_learnt_tokenizer_agrees_with_transformers(tmp_path: Path) -> None:
    tokenizer = Tokenizer.learn(LEARN_FROM, merges=50)
    tokenizer.save(tmp_path / "tokenizer.json")
    model = json.loads((tmp_path / "tokenizer.json").read_text())["model"]
    oracle = transformers.CLIPTokenizer(
        vocab=model["vocab"], merges=[tuple(pair) for pair in model["merges"]]
    )
    texts = LEARN_FROM + TRICKY
    assert tokenizer.encode(texts, 30).tolist() == oracle_ids(oracle, texts, 30)


def test_learning_twice_gives_the_same_ids() -> None:
    first, second = (Tokenizer.learn(LEARN_FROM, merges=50) for _ in range(2))
    assert first.encode(LEARN_FROM + TRICKY, 40).tolist() == second.encode(LEARN_FROM + TRICKY, 40).tolist()


def test_a_learnt_tokenizer_is_saved_and_read_back(tmp_path: Path) -> None:
    tokenizer = Tokenizer.learn(LEARN_FROM, merges=50)
    tokenizer.save(tmp_path / "tokenizer.json")
    texts = LEARN_FROM + TRICKY
    for read in (Tokenizer.from_file(tmp_path / "tokenizer.json"), Tokenizer.from_folder(tmp_path)):
        assert read.encode(texts, 40).tolist() == tokenizer.encode(texts, 40).tolist()
        assert (read.vocabulary, read.start_id, read.end_id, read.pad_id) == (
            tokenizer.vocabulary,
            tokenizer.start_id,
            tokenizer.end_id,
            tokenizer.pad_id,
        )
    tokenizer.save(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "tokenizer.json").read_bytes()
