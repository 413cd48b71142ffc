"""The receptor in the V1 style, which every version of ComfyUI loads."""

from . import contract


class CalibratorPromptReceptor:
    """Holds the positive prompt, the negative prompt and the seed, one output each."""

    CATEGORY = contract.CATEGORY
    DESCRIPTION = contract.DESCRIPTION
    FUNCTION = "receive"
    RETURN_TYPES = ("STRING", "STRING", "INT")
    RETURN_NAMES = ("positive", "negative", "seed")

    @classmethod
    def INPUT_TYPES(cls):
        text = {"multiline": True, "default": ""}
        seed = {"default": 0, "min": 0, "max": contract.MAX_SEED, "control_after_generate": True}
        return {
            "required": {
                "positive": ("STRING", {**text, "tooltip": contract.POSITIVE_TIP}),
                "negative": ("STRING", {**text, "tooltip": contract.NEGATIVE_TIP}),
                "seed": ("INT", {**seed, "tooltip": contract.SEED_TIP}),
            }
        }

    def receive(self, positive, negative, seed):
        return (positive, negative, seed)


NODE_CLASS_MAPPINGS = {contract.NODE_ID: CalibratorPromptReceptor}
NODE_DISPLAY_NAME_MAPPINGS = {contract.NODE_ID: contract.DISPLAY_NAME}
