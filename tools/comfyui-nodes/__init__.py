"""Prompt Calibrator's companion node for ComfyUI.

`CalibratorPromptReceptor` marks where a calibrated prompt and its seed enter a workflow. It hands its three
inputs on unchanged, so a workflow gives the same pixels with it as without it.

Written in the V1 style, which every version of ComfyUI loads.
"""

MAX_SEED = 2**64 - 1


class CalibratorPromptReceptor:
    """Holds the positive prompt, the negative prompt and the seed, one output each."""

    CATEGORY = "calibrator"
    DESCRIPTION = (
        "Where Prompt Calibrator writes the prompt and the seed. Wire the outputs to the text encoders and to "
        "the sampler's seed."
    )
    FUNCTION = "receive"
    RETURN_TYPES = ("STRING", "STRING", "INT")
    RETURN_NAMES = ("positive", "negative", "seed")

    @classmethod
    def INPUT_TYPES(cls):
        text = {"multiline": True, "default": ""}
        seed = {"default": 0, "min": 0, "max": MAX_SEED, "control_after_generate": True}
        return {
            "required": {
                "positive": ("STRING", {**text, "tooltip": "What the picture should show."}),
                "negative": ("STRING", {**text, "tooltip": "What the picture should not show."}),
                "seed": ("INT", {**seed, "tooltip": "The noise seed of the sampler."}),
            }
        }

    def receive(self, positive, negative, seed):
        return (positive, negative, seed)


NODE_CLASS_MAPPINGS = {"CalibratorPromptReceptor": CalibratorPromptReceptor}
NODE_DISPLAY_NAME_MAPPINGS = {"CalibratorPromptReceptor": "Calibrator Prompt Receptor"}
