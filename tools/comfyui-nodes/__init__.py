"""Prompt Calibrator's companion node for ComfyUI, in the style that this ComfyUI prefers.

`CalibratorPromptReceptor` marks where a calibrated prompt and its seed enter a workflow. It hands its three
inputs on unchanged, so a workflow gives the same pixels with it as without it. Both styles are the same node:
a workflow made with one runs with the other.
"""

try:
    from .v3 import comfy_entrypoint

    __all__ = ["comfy_entrypoint"]
except ImportError:
    # A ComfyUI from before the V3 node style, which lacks `comfy_api.latest`.
    from .v1 import NODE_CLASS_MAPPINGS, NODE_DISPLAY_NAME_MAPPINGS

    __all__ = ["NODE_CLASS_MAPPINGS", "NODE_DISPLAY_NAME_MAPPINGS"]
