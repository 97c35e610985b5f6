"""The catalogue of named weights: source, pinned revision, known hashes.

Revisions and hashes come from public projects that pin the same files (`seen`). A pull checks them and refuses a file
that differs. Where no reliable hash was published, `sha256` is empty and the pull records the hash in the manifest.

Pipelines are listed in full precision where the repository has it: every `dtype` can be derived from float32, whereas
bfloat16 derived from float16 would be rounded twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

_PIPELINE = ("model_index.json", *(f"{part}/*" for part in ("scheduler", "tokenizer", "text_encoder", "unet", "vae")))
_PIPELINE_XL = (*_PIPELINE, "tokenizer_2/*", "text_encoder_2/*")
_PIPELINE_WITH_CHECKER = (*_PIPELINE, "feature_extractor/*", "safety_checker/*")
_TRANSFORMER = ("config.json", "*processor_config.json", "model*.safetensors")
_DETECTOR = (
    "config.json", "*processor_config.json", "tokenizer*.json", "special_tokens_map.json", "vocab*", "merges.txt",
    "model*.safetensors",
)  # fmt: skip
_DIFFUSER = ("config.json", "diffusion_pytorch_model*.safetensors")
_SEVERAL = "several public lock files and model registries agree"
_OPENRAIL_XL = "OpenRAIL++-M"


@dataclass(frozen=True)
class CatalogEntry:
    """Weights with a name.

    Args:
        use: the purpose, for people.
        licence: short name; read the licence before you use or publish anything.
        gigabytes: approximate size; `xray weights pull --dry-run` reports the exact one.
        seen: where the revision and the hashes were published.
        repo: hub repository, for weights from the hub.
        revision: commit; or a branch, where `sha256` pins the files. None: the newest, which a pull then pins.
        files: patterns of the files to pull; only safetensors, configurations and vocabularies are ever pulled.
        url: address of the single file, for weights from the web.
        sha256: known hashes by file name.
    """

    use: str
    licence: str
    gigabytes: float
    seen: str
    repo: str | None = None
    revision: str | None = None
    files: tuple[str, ...] = ()
    url: str | None = None
    sha256: Mapping[str, str] = field(default_factory=dict)


def _web(url: str, sha256: str, use: str, licence: str, gigabytes: float, seen: str) -> CatalogEntry:
    return CatalogEntry(use, licence, gigabytes, seen, url=url, sha256={url.rpartition("/")[2]: sha256})


def _meta_sam(size: str, tag: str, sha256: str, gigabytes: float) -> CatalogEntry:
    url = f"https://dl.fbaipublicfiles.com/segment_anything/sam_vit_{size}_{tag}.pth"
    use = f"mask refiner: SAM ViT-{size.upper()}, Meta's checkpoint"
    return _web(url, sha256, use, "Apache-2.0", gigabytes, "hashes as micro-sam and the SAM extension of 3D Slicer pin")


def _model(
    use: str, licence: str, gigabytes: float, seen: str, repo: str, revision: str, files: tuple[str, ...], sha256: str
) -> CatalogEntry:
    """An entry whose hash pins the one file of tensors that `files` names last."""
    tensors = files[-1].replace("*", "")
    return CatalogEntry(use, licence, gigabytes, seen, repo, revision, files, sha256={tensors: sha256})


# fmt: off
CATALOG: dict[str, CatalogEntry] = {
    "sam-vit-b": _meta_sam("b", "01ec64", "ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912", 0.38),
    "sam-vit-l": _meta_sam("l", "0b3195", "3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622", 1.25),
    "sam-vit-h": _meta_sam("h", "4b8939", "a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e", 2.56),
    "sam-vit-huge-hf": _model(
        "mask refiner: SAM ViT-H for transformers", "Apache-2.0", 2.56, _SEVERAL,
        "facebook/sam-vit-huge", "87aecf0df4ce6b30cd7de76e87673c49644bdf67", _TRANSFORMER,
        "edfb0462392541fca9af44ff039bfb32dbd0c939997f3abb77a26e23af7afd7c",
    ),
    "sam2.1-hiera-large": _model(
        "mask refiner: SAM 2.1 large", "Apache-2.0", 0.9, _SEVERAL,
        "facebook/sam2.1-hiera-large", "665f8e2ad61cf5f53d65644ff27c8ee525124610", _TRANSFORMER,
        "dc407dce21301fd94abb395c5099b4f2c455fdc8a8f261ac3d0ea6d4cd197230",
    ),
    "sam2.1-hiera-tiny": _model(
        "mask refiner: SAM 2.1 tiny", "Apache-2.0", 0.16, _SEVERAL,
        "facebook/sam2.1-hiera-tiny", "de431c4043854a71d8101e17995dfe596bf101a5", _TRANSFORMER,
        "48c14467e5cf9e51870511feb72c89688e82dd74523142c0538b663e193ac2a7",
    ),
    "grounding-dino-tiny": _model(
        "masks from text: Grounding DINO tiny", "Apache-2.0", 0.69, _SEVERAL,
        "IDEA-Research/grounding-dino-tiny", "a2bb814dd30d776dcf7e30523b00659f4f141c71", _DETECTOR,
        "1a2412ef99bd74bcd3c2a246fa1e48581f8889a1300c9051974741314fc042f3",
    ),
    "grounding-dino-base": _model(
        "masks from text: Grounding DINO base", "Apache-2.0", 0.94, _SEVERAL,
        "IDEA-Research/grounding-dino-base", "12bdfa3120f3e7ec7b434d90674b3396eccf88eb", _DETECTOR,
        "5548f844c928c4b6f411fa8cbcc2bfa8dbbba437cb1d513975519f93c2a9ed21",
    ),
    "owlv2-base": _model(
        "masks from text: OWLv2 base", "Apache-2.0", 0.62, _SEVERAL,
        "google/owlv2-base-patch16-ensemble", "cfd3195ba4ea9592eec887ded089f4c08eff231d", _DETECTOR,
        "e1e130b9e404cf91a75ad45644c1da9d7fa5284085eecc864266a6923efb99e7",
    ),
    "sdxl-inpainting": CatalogEntry(
        "painter: SDXL inpainting", _OPENRAIL_XL, 13.9, "revision as imaginAIry and other public projects pin it",
        "diffusers/stable-diffusion-xl-1.0-inpainting-0.1", "115134f363124c53c7d878647567d04daf26e41e", _PIPELINE_XL,
    ),
    "sdxl-base": CatalogEntry(
        "painter: SDXL base", _OPENRAIL_XL, 13.9, "revision as imaginAIry and other public projects pin it",
        "stabilityai/stable-diffusion-xl-base-1.0", "462165984030d82259a11f4367a4eed129e94a7b", _PIPELINE_XL,
    ),
    "sdxl-turbo": CatalogEntry(
        "painter: SDXL Turbo, 1–4 steps", "Stability AI Non-Commercial", 13.9, _SEVERAL,
        "stabilityai/sdxl-turbo", "71153311d3dbb46851df1931d3ca6e939de83304", _PIPELINE_XL,
    ),
    "sdxl-lightning-lora": _model(
        "LoRA for SDXL: Lightning, 4 steps", _OPENRAIL_XL, 0.39, "revision and hash as refiners pins them",
        "ByteDance/SDXL-Lightning", "c9a24f48e1c025556787b0c58dd67a091ece2e44",
        ("sdxl_lightning_4step_lora.safetensors",),
        "bf56cf2657efb15e465d81402ed481d1e11c4677e4bcce1bc11fe71ad8506b79",
    ),
    "lcm-lora-sdxl": _model(
        "LoRA for SDXL: latent consistency, 2–8 steps", _OPENRAIL_XL, 0.39, "revision and hash as refiners pins them",
        "latent-consistency/lcm-lora-sdxl", "a18548dd4956b174ec5b0d78d340c8dae0a129cd",
        ("pytorch_lora_weights.safetensors",),
        "a764e6859b6e04047cd761c08ff0cee96413a8e004c9f07707530cd776b19141",
    ),
    "hyper-sdxl-lora": CatalogEntry(
        "LoRA for SDXL: Hyper-SD, 8 steps with guidance", "see the model card", 0.79, f"{_SEVERAL}; no published hash",
        "ByteDance/Hyper-SD", "bc08d970a87c74c71209491d64e3525845698863",
        ("Hyper-SDXL-8steps-CFG-lora.safetensors",),
    ),
    "sd15-inpainting": CatalogEntry(
        "painter: Stable Diffusion 1.5 inpainting (a mirror; safetensors in half precision only)",
        "OpenRAIL-M", 2.74, _SEVERAL, "stable-diffusion-v1-5/stable-diffusion-inpainting",
        "8a4288a76071f7280aedbdb3253bdb9e9d5d84bb", _PIPELINE_WITH_CHECKER,
    ),
    "sd2-inpainting": CatalogEntry(
        "painter: Stable Diffusion 2 inpainting (a mirror: the original was withdrawn)",
        _OPENRAIL_XL, 5.2, _SEVERAL, "sd2-community/stable-diffusion-2-inpainting",
        "5f74973cbb64c8568780732c17f43eb269d63a0d", _PIPELINE,
        sha256={
            "text_encoder/model.safetensors": "cce6febb0b6d876ee5eb24af35e27e764eb4f9b1d0b7c026c8c3333d4cfc916c",
            "unet/diffusion_pytorch_model.safetensors": (
                "9bcbb17f54b039f58bf78677fab8cd8a35dd686f6c9dd553e3646a8b0aaff41a"
            ),
            "vae/diffusion_pytorch_model.safetensors": (
                "a1d993488569e928462932c8c38a0760b874d166399b14414135bd9c42df5815"
            ),
        },
    ),
    "sdxl-vae-fp16-fix": _model(
        "VAE for SDXL that does not overflow in float16", "MIT", 0.33, f"hash as refiners pins it; {_SEVERAL}",
        "madebyollin/sdxl-vae-fp16-fix", "207b116dae70ace3637169f1ddd2434b91b3a8cd", _DIFFUSER,
        "1b909373b28f2137098b0fd9dbc6f97f8410854f31f84ddc9fa04b077b0ace2c",
    ),
    "controlnet-inpaint-sd15": CatalogEntry(
        "ControlNet inpaint for Stable Diffusion 1.5", "OpenRAIL", 1.45, "revision as imaginAIry pins it",
        "lllyasviel/control_v11p_sd15_inpaint", "c96e03a807e64135568ba8aecb66b3a306ec73bd", _DIFFUSER,
    ),
    "clip-vit-l14": CatalogEntry(
        "filter and CLIPScore: CLIP ViT-L/14", "see the model card", 1.71, _SEVERAL,
        "openai/clip-vit-large-patch14", "32bd64288804d66eefd0ccbe215aa642df71cc41",
        (*_TRANSFORMER, "tokenizer*.json", "special_tokens_map.json", "vocab.json", "merges.txt"),
        sha256={"model.safetensors": "a2bf730a0c7debf160f7a6b50b3aaf3703e7e88ac73de7a314903141db026dcb"},
    ),
    "safety-checker": _model(
        "filter: Stable Diffusion's safety checker", "see the model card", 0.61,
        "branch and hash as several public packages pin them; this branch has safetensors",
        "CompVis/stable-diffusion-safety-checker", "refs/pr/41", _TRANSFORMER,
        "08902f19b1cfebd7c989f152fc0507bef6898c706a91d666509383122324b511",
    ),
    "lama": _web(
        "https://huggingface.co/Carve/LaMa-ONNX/resolve/c3c0c9e468934d62e79c329e35d82dd09ff8c444/lama_fp32.onnx",
        "1faef5301d78db7dda502fe59966957ec4b79dd64e16f03ed96913c7a4eb68d6",
        "remover: big-LaMa in ONNX format", "Apache-2.0", 0.21, f"revision and hash: {_SEVERAL}",
    ),
    "inception-fid": _web(
        "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth",
        "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
        "FID and KID: Inception-v3 of torch-fidelity", "Apache-2.0", 0.1,
        f"address as in torch-fidelity; hash: {_SEVERAL}",
    ),
    "alexnet": _web(
        "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
        "7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
        "LPIPS: AlexNet of torchvision", "BSD-3-Clause", 0.24, f"address as in torchvision; hash: {_SEVERAL}",
    ),
}
# fmt: on
