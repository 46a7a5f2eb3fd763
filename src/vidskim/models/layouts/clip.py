"""CLIP's names: Hugging Face, and OpenAI's own (open_clip and ResidualViT use them too)."""

from vidskim.models.layouts.layout import Layout


def _hf_blocks(tower: str) -> dict[str, str | tuple[str, ...]]:
    block = f"{tower}.encoder.layers.{{n}}"
    return {
        "blocks.{n}.norm1.*": f"{block}.layer_norm1.*",
        "blocks.{n}.attention.qkv.*": (
            f"{block}.self_attn.q_proj.*",
            f"{block}.self_attn.k_proj.*",
            f"{block}.self_attn.v_proj.*",
        ),
        "blocks.{n}.attention.out.*": f"{block}.self_attn.out_proj.*",
        "blocks.{n}.norm2.*": f"{block}.layer_norm2.*",
        "blocks.{n}.mlp.fc1.*": f"{block}.mlp.fc1.*",
        "blocks.{n}.mlp.fc2.*": f"{block}.mlp.fc2.*",
    }


def _openai_blocks(tower: str) -> dict[str, str | tuple[str, ...]]:
    block = f"{tower}transformer.resblocks.{{n}}"
    return {
        "blocks.{n}.norm1.*": f"{block}.ln_1.*",
        "blocks.{n}.attention.qkv.*": f"{block}.attn.in_proj_*",
        "blocks.{n}.attention.out.*": f"{block}.attn.out_proj.*",
        "blocks.{n}.norm2.*": f"{block}.ln_2.*",
        "blocks.{n}.mlp.fc1.*": f"{block}.mlp.c_fc.*",
        "blocks.{n}.mlp.fc2.*": f"{block}.mlp.c_proj.*",
    }


HF_CLIP = Layout(
    name="Hugging Face CLIP",
    family="clip",
    signature="vision_model.embeddings.class_embedding",
    vision={
        "class_token": "vision_model.embeddings.class_embedding",
        "patch.weight": "vision_model.embeddings.patch_embedding.weight",
        "positions": "vision_model.embeddings.position_embedding.weight",
        "norm_pre.*": "vision_model.pre_layrnorm.*",  # the published name has the slip
        **_hf_blocks("vision_model"),
        "norm_post.*": "vision_model.post_layernorm.*",
        "projection.weight": "visual_projection.weight",
    },
    text={
        "tokens.weight": "text_model.embeddings.token_embedding.weight",
        "positions": "text_model.embeddings.position_embedding.weight",
        **_hf_blocks("text_model"),
        "norm_post.*": "text_model.final_layer_norm.*",
        "projection.weight": "text_projection.weight",
    },
    ignored=("logit_scale", "*.position_ids"),
    tower="vision_model.",
    defaults={"activation": "quick_gelu", "eps": 1e-5},
)

# The residual tokenizer is there twice in the authors' checkpoints; `proj_head` is the copy.
OPENAI_RESIDUAL = "visual.projection_residual_feature."

OPENAI = Layout(
    name="OpenAI CLIP (also open_clip, ResidualViT and TempMe)",
    family="clip",
    signature="visual.class_embedding",
    vision={
        "class_token": "visual.class_embedding",
        "patch.weight": "visual.conv1.weight",
        "positions": "visual.positional_embedding",
        "norm_pre.*": "visual.ln_pre.*",
        **_openai_blocks("visual."),
        "norm_post.*": "visual.ln_post.*",
        "projection.weight": "visual.proj",
    },
    text={
        "tokens.weight": "token_embedding.weight",
        "positions": "positional_embedding",
        **_openai_blocks(""),
        "norm_post.*": "ln_final.*",
        "projection.weight": "text_projection",
    },
    transposed=frozenset({"projection.weight"}),
    ignored=(
        "logit_scale",
        "input_resolution",
        "context_length",
        "vocab_size",
        "attn_mask",
        OPENAI_RESIDUAL + "*",
        "visual.proj_head.*",
    ),
    strip=("text.", "clip."),
    tower="visual.",
    defaults={"activation": "quick_gelu", "eps": 1e-5},
)
