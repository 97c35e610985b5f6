"""The weights that have a name: where they come from, at which revision, and what is known of their bytes.

Revisions and hashes were taken from public projects that pin the same files (`seen`), not from memory. A pull checks
them all: a file that differs is refused. Where nothing reliable was found, the field is empty, and the pull writes
what it got into the manifest.

Pipelines come in full precision where the repository has it: every `dtype` can be made of it, and bfloat16 made of
float16 would have been rounded twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

_PIPELINE = ("model_index.json", *(f"{part}/*" for part in ("scheduler", "tokenizer", "text_encoder", "unet", "vae")))
_PIPELINE_XL = (*_PIPELINE, "tokenizer_2/*", "text_encoder_2/*")
_PIPELINE_WITH_CHECKER = (*_PIPELINE, "feature_extractor/*", "safety_checker/*")
_TRANSFORMER = ("config.json", "*processor_config.json", "model*.safetensors")
_DIFFUSER = ("config.json", "diffusion_pytorch_model*.safetensors")
_SEVERAL = "the same in several public lock files and model registries"


@dataclass(frozen=True)
class Known:
    """Weights that have a name.

    Args:
        use: what for.
        licence: short name; read it before you use or publish anything.
        gigabytes: about, to plan disk space; `xray weights pull --dry-run` says it exactly.
        seen: where revision and hashes were found.
        repo: at the hub, if they come from there.
        revision: commit; or a branch, where `sha256` pins the files. None: the newest, which a pull then pins.
        files: patterns of what is loaded; only safetensors, configurations and vocabularies are ever taken.
        url: of the one file, if they do not come from the hub.
        sha256: by file name, of the files whose hash was found.
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


def _file(url: str, sha256: str, use: str, licence: str, gigabytes: float, seen: str) -> Known:
    return Known(use, licence, gigabytes, seen, url=url, sha256={url.rpartition("/")[2]: sha256})


_SAM = "https://dl.fbaipublicfiles.com/segment_anything/"
_SAM_SEEN = "hashes as micro-sam and the SAM extension of 3D Slicer pin them"

KNOWN: dict[str, Known] = {
    "sam-vit-b": _file(
        f"{_SAM}sam_vit_b_01ec64.pth",
        "ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912",
        "mask refiner: SAM ViT-B, Meta's checkpoint",
        "Apache-2.0",
        0.38,
        _SAM_SEEN,
    ),
    "sam-vit-l": _file(
        f"{_SAM}sam_vit_l_0b3195.pth",
        "3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622",
        "mask refiner: SAM ViT-L, Meta's checkpoint",
        "Apache-2.0",
        1.25,
        _SAM_SEEN,
    ),
    "sam-vit-h": _file(
        f"{_SAM}sam_vit_h_4b8939.pth",
        "a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e",
        "mask refiner: SAM ViT-H, Meta's checkpoint",
        "Apache-2.0",
        2.56,
        _SAM_SEEN,
    ),
    "sam-vit-huge-hf": Known(
        "mask refiner: SAM ViT-H for transformers",
        "Apache-2.0",
        2.56,
        _SEVERAL,
        repo="facebook/sam-vit-huge",
        revision="87aecf0df4ce6b30cd7de76e87673c49644bdf67",
        files=_TRANSFORMER,
        sha256={"model.safetensors": "edfb0462392541fca9af44ff039bfb32dbd0c939997f3abb77a26e23af7afd7c"},
    ),
    "sam2.1-hiera-large": Known(
        "mask refiner: SAM 2.1 large",
        "Apache-2.0",
        0.9,
        _SEVERAL,
        repo="facebook/sam2.1-hiera-large",
        revision="665f8e2ad61cf5f53d65644ff27c8ee525124610",
        files=_TRANSFORMER,
        sha256={"model.safetensors": "dc407dce21301fd94abb395c5099b4f2c455fdc8a8f261ac3d0ea6d4cd197230"},
    ),
    "sam2.1-hiera-tiny": Known(
        "mask refiner: SAM 2.1 tiny",
        "Apache-2.0",
        0.16,
        _SEVERAL,
        repo="facebook/sam2.1-hiera-tiny",
        revision="de431c4043854a71d8101e17995dfe596bf101a5",
        files=_TRANSFORMER,
        sha256={"model.safetensors": "48c14467e5cf9e51870511feb72c89688e82dd74523142c0538b663e193ac2a7"},
    ),
    "sdxl-inpainting": Known(
        "painter: SDXL inpainting",
        "OpenRAIL++-M",
        13.9,
        "revision as imaginAIry and other public projects pin it",
        repo="diffusers/stable-diffusion-xl-1.0-inpainting-0.1",
        revision="115134f363124c53c7d878647567d04daf26e41e",
        files=_PIPELINE_XL,
    ),
    "sdxl-base": Known(
        "painter: SDXL base",
        "OpenRAIL++-M",
        13.9,
        "revision as imaginAIry and other public projects pin it",
        repo="stabilityai/stable-diffusion-xl-base-1.0",
        revision="462165984030d82259a11f4367a4eed129e94a7b",
        files=_PIPELINE_XL,
    ),
    "sdxl-turbo": Known(
        "painter: SDXL Turbo, 1–4 steps",
        "Stability AI Non-Commercial",
        13.9,
        _SEVERAL,
        repo="stabilityai/sdxl-turbo",
        revision="71153311d3dbb46851df1931d3ca6e939de83304",
        files=_PIPELINE_XL,
    ),
    "sdxl-lightning-lora": Known(
        "LoRA for SDXL: Lightning, 4 steps",
        "OpenRAIL++-M",
        0.39,
        "revision and hash as refiners pins them",
        repo="ByteDance/SDXL-Lightning",
        revision="c9a24f48e1c025556787b0c58dd67a091ece2e44",
        files=("sdxl_lightning_4step_lora.safetensors",),
        sha256={
            "sdxl_lightning_4step_lora.safetensors": "bf56cf2657efb15e465d81402ed481d1e11c4677e4bcce1bc11fe71ad8506b79"
        },
    ),
    "lcm-lora-sdxl": Known(
        "LoRA for SDXL: latent consistency, 2–8 steps",
        "OpenRAIL++-M",
        0.39,
        "revision and hash as refiners and others pin them",
        repo="latent-consistency/lcm-lora-sdxl",
        revision="a18548dd4956b174ec5b0d78d340c8dae0a129cd",
        files=("pytorch_lora_weights.safetensors",),
        sha256={"pytorch_lora_weights.safetensors": "a764e6859b6e04047cd761c08ff0cee96413a8e004c9f07707530cd776b19141"},
    ),
    "hyper-sdxl-lora": Known(
        "LoRA for SDXL: Hyper-SD, 8 steps with guidance",
        "see the model card",
        0.79,
        f"revision {_SEVERAL}; no hash was found",
        repo="ByteDance/Hyper-SD",
        revision="bc08d970a87c74c71209491d64e3525845698863",
        files=("Hyper-SDXL-8steps-CFG-lora.safetensors",),
    ),
    "sd15-inpainting": Known(
        "painter: Stable Diffusion 1.5 inpainting (a mirror; safetensors in half precision only)",
        "OpenRAIL-M",
        2.74,
        _SEVERAL,
        repo="stable-diffusion-v1-5/stable-diffusion-inpainting",
        revision="8a4288a76071f7280aedbdb3253bdb9e9d5d84bb",
        files=_PIPELINE_WITH_CHECKER,
    ),
    "sd2-inpainting": Known(
        "painter: Stable Diffusion 2 inpainting (a mirror: the original was withdrawn)",
        "OpenRAIL++-M",
        5.2,
        _SEVERAL,
        repo="sd2-community/stable-diffusion-2-inpainting",
        revision="5f74973cbb64c8568780732c17f43eb269d63a0d",
        files=_PIPELINE,
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
    "sdxl-vae-fp16-fix": Known(
        "VAE for SDXL that does not overflow in float16",
        "MIT",
        0.33,
        "hash as refiners pins it, revision " + _SEVERAL,
        repo="madebyollin/sdxl-vae-fp16-fix",
        revision="207b116dae70ace3637169f1ddd2434b91b3a8cd",
        files=_DIFFUSER,
        sha256={
            "diffusion_pytorch_model.safetensors": "1b909373b28f2137098b0fd9dbc6f97f8410854f31f84ddc9fa04b077b0ace2c"
        },
    ),
    "controlnet-inpaint-sd15": Known(
        "ControlNet inpaint for Stable Diffusion 1.5",
        "OpenRAIL",
        1.45,
        "revision as imaginAIry pins it",
        repo="lllyasviel/control_v11p_sd15_inpaint",
        revision="c96e03a807e64135568ba8aecb66b3a306ec73bd",
        files=_DIFFUSER,
    ),
    "clip-vit-l14": Known(
        "filter and CLIPScore: CLIP ViT-L/14",
        "see the model card",
        1.71,
        _SEVERAL,
        repo="openai/clip-vit-large-patch14",
        revision="32bd64288804d66eefd0ccbe215aa642df71cc41",
        files=(*_TRANSFORMER, "tokenizer*.json", "special_tokens_map.json", "vocab.json", "merges.txt"),
        sha256={"model.safetensors": "a2bf730a0c7debf160f7a6b50b3aaf3703e7e88ac73de7a314903141db026dcb"},
    ),
    "safety-checker": Known(
        "filter: Stable Diffusion's safety checker",
        "see the model card",
        0.61,
        "branch and hash as several public packages pin them; it has safetensors on this branch",
        repo="CompVis/stable-diffusion-safety-checker",
        revision="refs/pr/41",
        files=_TRANSFORMER,
        sha256={"model.safetensors": "08902f19b1cfebd7c989f152fc0507bef6898c706a91d666509383122324b511"},
    ),
    "inception-fid": _file(
        "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth",
        "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
        "FID and KID: Inception-v3 of torch-fidelity",
        "Apache-2.0",
        0.1,
        "address as torch-fidelity has it, hash " + _SEVERAL,
    ),
    "alexnet": _file(
        "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
        "7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
        "LPIPS: AlexNet of torchvision",
        "BSD-3-Clause",
        0.24,
        "address as torchvision has it, hash " + _SEVERAL,
    ),
}
