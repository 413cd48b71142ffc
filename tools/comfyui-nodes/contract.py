"""What both styles of the node agree on."""

NODE_ID = "CalibratorPromptReceptor"
DISPLAY_NAME = "Calibrator Prompt Receptor"
CATEGORY = "calibrator"
DESCRIPTION = (
    "Where Prompt Calibrator writes the prompt and the seed. Wire the outputs to the text encoders and to the sampler's seed."
)
POSITIVE_TIP = "What the picture should show."
NEGATIVE_TIP = "What the picture should not show."
SEED_TIP = "The noise seed of the sampler."
MAX_SEED = 2**64 - 1
