"""The receptor in the V3 style, today's."""

from comfy_api.latest import ComfyExtension, io

from . import contract


class CalibratorPromptReceptor(io.ComfyNode):
    """Holds the positive prompt, the negative prompt and the seed, one output each."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id=contract.NODE_ID,
            display_name=contract.DISPLAY_NAME,
            category=contract.CATEGORY,
            description=contract.DESCRIPTION,
            inputs=[
                io.String.Input("positive", multiline=True, default="", tooltip=contract.POSITIVE_TIP),
                io.String.Input("negative", multiline=True, default="", tooltip=contract.NEGATIVE_TIP),
                io.Int.Input(
                    "seed", default=0, min=0, max=contract.MAX_SEED, control_after_generate=True, tooltip=contract.SEED_TIP
                ),
            ],
            outputs=[
                io.String.Output(display_name="positive"),
                io.String.Output(display_name="negative"),
                io.Int.Output(display_name="seed"),
            ],
        )

    @classmethod
    def execute(cls, positive, negative, seed):
        return io.NodeOutput(positive, negative, seed)


class Receptor(ComfyExtension):
    """What ComfyUI asks for the nodes."""

    async def get_node_list(self):
        return [CalibratorPromptReceptor]


async def comfy_entrypoint():
    return Receptor()
