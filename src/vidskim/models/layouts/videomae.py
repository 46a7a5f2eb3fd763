"""Names of fine-tuned VideoMAE models: Hugging Face, and its authors'."""

from vidskim.models.layouts.layout import ZEROS, Layout
from vidskim.models.layouts.vit import HF_VIT

HF_HEAD_EPS = 1e-5  # of the norm before the head: transformers leaves it torch's default
_HF_ATTENTION = "encoder.layer.{n}.attention.attention"

HF_VIDEOMAE = Layout(
    name="Hugging Face VideoMAE",
    family="videomae",
    signature="encoder.layer.0.layernorm_before.weight",
    vision={
        **{name: stored for name, stored in HF_VIT.vision.items() if name.startswith(("patch.", "blocks."))},
        "blocks.{n}.attention.qkv.weight": HF_VIT.vision["blocks.{n}.attention.qkv.*"],
        "blocks.{n}.attention.qkv.bias": (f"{_HF_ATTENTION}.q_bias", ZEROS, f"{_HF_ATTENTION}.v_bias"),
        "norm.*": "fc_norm.*",
        "head.*": "classifier.*",
    },
    strip=("videomae.",),
    # what transformers 5 calls them in memory
    renamed={
        f"{_HF_ATTENTION}.query.bias": f"{_HF_ATTENTION}.q_bias",
        f"{_HF_ATTENTION}.value.bias": f"{_HF_ATTENTION}.v_bias",
        "layernorm.weight": "fc_norm.weight",
        "layernorm.bias": "fc_norm.bias",
    },
    defaults={"activation": "gelu", "eps": 1e-12},
)

VIDEOMAE = Layout(
    name="VideoMAE (its authors')",
    family="videomae",
    signature="blocks.0.attn.qkv.weight",
    vision={
        "patch.*": "patch_embed.proj.*",
        "blocks.{n}.norm1.*": "blocks.{n}.norm1.*",
        "blocks.{n}.attention.qkv.weight": "blocks.{n}.attn.qkv.weight",
        "blocks.{n}.attention.qkv.bias": ("blocks.{n}.attn.q_bias", ZEROS, "blocks.{n}.attn.v_bias"),
        "blocks.{n}.attention.out.*": "blocks.{n}.attn.proj.*",
        "blocks.{n}.norm2.*": "blocks.{n}.norm2.*",
        "blocks.{n}.mlp.fc1.*": "blocks.{n}.mlp.fc1.*",
        "blocks.{n}.mlp.fc2.*": "blocks.{n}.mlp.fc2.*",
        "norm.*": "fc_norm.*",
        "head.*": "head.*",
    },
    renamed={"norm.weight": "fc_norm.weight", "norm.bias": "fc_norm.bias"},
    defaults={"activation": "gelu", "eps": 1e-6},
)
