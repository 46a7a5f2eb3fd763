"""Names of ViT, DeiT and DINOv2: Hugging Face, and timm (which DINOv2's own files follow)."""

from vidskim.models.layouts.layout import Layout

_HF_EMBEDDINGS: dict[str, str | tuple[str, ...]] = {
    "class_token": "embeddings.cls_token",
    "registers": "embeddings.register_tokens",
    "patch.*": "embeddings.patch_embeddings.projection.*",
    "positions": "embeddings.position_embeddings",
    "norm_post.*": "layernorm.*",
}
_HF_ATTENTION: dict[str, str | tuple[str, ...]] = {
    "blocks.{n}.attention.qkv.*": (
        "encoder.layer.{n}.attention.attention.query.*",
        "encoder.layer.{n}.attention.attention.key.*",
        "encoder.layer.{n}.attention.attention.value.*",
    ),
    "blocks.{n}.attention.out.*": "encoder.layer.{n}.attention.output.dense.*",
}
_TIMM: dict[str, str | tuple[str, ...]] = {
    "class_token": "cls_token",
    "patch.*": "patch_embed.proj.*",
    "positions": "pos_embed",
    "blocks.{n}.norm1.*": "blocks.{n}.norm1.*",
    "blocks.{n}.attention.qkv.*": "blocks.{n}.attn.qkv.*",
    "blocks.{n}.attention.out.*": "blocks.{n}.attn.proj.*",
    "blocks.{n}.norm2.*": "blocks.{n}.norm2.*",
    "blocks.{n}.mlp.fc1.*": "blocks.{n}.mlp.fc1.*",
    "blocks.{n}.mlp.fc2.*": "blocks.{n}.mlp.fc2.*",
    "norm_post.*": "norm.*",
}

HF_VIT = Layout(
    name="Hugging Face ViT",
    family="vit",
    signature="encoder.layer.0.layernorm_before.weight",
    vision={
        **_HF_EMBEDDINGS,
        **_HF_ATTENTION,
        "blocks.{n}.norm1.*": "encoder.layer.{n}.layernorm_before.*",
        "blocks.{n}.norm2.*": "encoder.layer.{n}.layernorm_after.*",
        "blocks.{n}.mlp.fc1.*": "encoder.layer.{n}.intermediate.dense.*",
        "blocks.{n}.mlp.fc2.*": "encoder.layer.{n}.output.dense.*",
    },
    ignored=("pooler.dense.*", "classifier.*"),
    strip=("vit.",),
    defaults={"activation": "gelu", "eps": 1e-12},
)

HF_DINOV2 = Layout(
    name="Hugging Face DINOv2",
    family="dinov2",
    signature="encoder.layer.0.layer_scale1.lambda1",
    vision={
        **_HF_EMBEDDINGS,
        **_HF_ATTENTION,
        "blocks.{n}.norm1.*": "encoder.layer.{n}.norm1.*",
        "blocks.{n}.scale1": "encoder.layer.{n}.layer_scale1.lambda1",
        "blocks.{n}.norm2.*": "encoder.layer.{n}.norm2.*",
        "blocks.{n}.mlp.fc1.*": "encoder.layer.{n}.mlp.fc1.*",
        "blocks.{n}.mlp.fc2.*": "encoder.layer.{n}.mlp.fc2.*",
        "blocks.{n}.scale2": "encoder.layer.{n}.layer_scale2.lambda1",
    },
    ignored=("embeddings.mask_token", "classifier.*"),
    strip=("dinov2.", "dinov2_with_registers."),
    defaults={"activation": "gelu", "eps": 1e-6},
)

TIMM_DINOV2 = Layout(
    name="DINOv2 (its own and timm's names)",
    family="dinov2",
    signature="blocks.0.ls1.gamma",
    vision={
        **_TIMM,
        "registers": "register_tokens",
        "blocks.{n}.scale1": "blocks.{n}.ls1.gamma",
        "blocks.{n}.scale2": "blocks.{n}.ls2.gamma",
    },
    ignored=("mask_token", "head.*"),
    renamed={"reg_token": "register_tokens"},
    defaults={"activation": "gelu", "eps": 1e-6},
)

TIMM_VIT = Layout(
    name="timm ViT and DeiT",
    family="vit",
    signature="patch_embed.proj.weight",
    vision=_TIMM,
    ignored=("head.*",),
    defaults={"activation": "gelu", "eps": 1e-6},
)
