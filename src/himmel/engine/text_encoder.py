"""Prompts to vectors: our own byte-level BPE and a small bidirectional encoder, trained on captions alone.

Owns: tokens and their encoding. Knows nothing of pictures.

Sentence encoders that are to be had ready-made hardly tell "to the left" from "to the right", nor German
from noise (docs/notebook.md); what matters to motion has to be learned with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from einops import rearrange
from tokenizers import Tokenizer as BPE
from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers
from torch import Tensor, nn

from himmel.engine.layers import SwiGLU, rms_norm
from himmel.errors import BadCheckpoint

PAD, START = 0, 1


class Tokenizer:
    """Byte-level byte-pair encoding (Sennrich et al. 2016; GPT-2's bytes), lower case, NFKC."""

    def __init__(self, bpe: BPE) -> None:
        self.bpe = bpe

    @classmethod
    def train(cls, texts: Iterable[str], size: int) -> Tokenizer:
        """Learn ``size`` tokens from texts; the same texts give the same tokens."""
        bpe = BPE(models.BPE())
        bpe.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
        bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
        bpe.decoder = decoders.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer = trainers.BpeTrainer(
            vocab_size=size, special_tokens=["<pad>", "<start>"], initial_alphabet=alphabet, show_progress=False
        )
        bpe.train_from_iterator(texts, trainer)
        return cls(bpe)

    def save(self, path: Path) -> None:
        self.bpe.save(str(path))

    @classmethod
    def load(cls, path: Path) -> Tokenizer:
        """Raises BadCheckpoint where the file is missing or damaged."""
        try:
            return cls(BPE.from_file(str(path)))
        except Exception as error:  # the library raises bare Exception
            raise BadCheckpoint(path, f"the tokenizer cannot be read ({error})") from None

    def __len__(self) -> int:
        return self.bpe.get_vocab_size()

    def __call__(self, prompts: Sequence[str], longest: int) -> Tensor:
        """Token numbers (B, L), each row begun by START and filled up with PAD; L is at most ``longest``."""
        rows = [[START, *encoded.ids][:longest] for encoded in self.bpe.encode_batch(list(prompts))]
        width = max(map(len, rows))
        return torch.tensor([row + [PAD] * (width - len(row)) for row in rows])


@dataclass(frozen=True)
class TextConfig:
    """Size of the text encoder. ``longest`` is in tokens; what goes beyond is not read."""

    tokens: int = 2048
    longest: int = 64
    width: int = 128
    depth: int = 2
    heads: int = 2


@dataclass(frozen=True)
class Text:
    """Encoded prompts: ``vectors`` (B, L, width), ``mask`` (B, L) true for tokens, ``pooled`` (B, width)."""

    vectors: Tensor
    mask: Tensor
    pooled: Tensor


class TextEncoder(nn.Module):
    """Token numbers (B, L) to a Text."""

    def __init__(self, config: TextConfig) -> None:
        super().__init__()
        self.config = config
        self.embed_tokens = nn.Embedding(config.tokens, config.width)
        self.embed_places = nn.Embedding(config.longest, config.width)
        nn.init.normal_(self.embed_tokens.weight, std=0.5)
        nn.init.normal_(self.embed_places.weight, std=0.1)
        self.layers = nn.ModuleList(_Layer(config) for _ in range(config.depth))

    def forward(self, tokens: Tensor) -> Text:
        mask = tokens != PAD
        x = self.embed_tokens(tokens) + self.embed_places.weight[: tokens.shape[1]]
        for layer in self.layers:
            x = layer(x, mask)
        x = rms_norm(x)
        share = mask[..., None] / mask.sum(1)[:, None, None]
        return Text(x, mask, (x * share).sum(1))


class _Layer(nn.Module):
    def __init__(self, config: TextConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.queries_keys_values = nn.Linear(config.width, 3 * config.width, bias=False)
        self.out = nn.Linear(config.width, config.width, bias=False)
        nn.init.zeros_(self.out.weight)
        self.feed = SwiGLU(config.width, 2 * config.width)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        q, k, v = rearrange(
            self.queries_keys_values(rms_norm(x)), "b l (three heads d) -> three b heads l d", three=3, heads=self.heads
        )
        seen = F.scaled_dot_product_attention(q, k, v, attn_mask=mask[:, None, None])
        x = x + self.out(rearrange(seen, "b heads l d -> b l (heads d)"))
        return x + self.feed(rms_norm(x))
