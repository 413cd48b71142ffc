"""Checks the node's contract with ComfyUI and with Prompt Calibrator, in both styles.

Without ComfyUI the few names of `comfy_api.latest` that the V3 style uses are stood in for. With the folder of a real
one in COMFYUI_DIR (and its Python running this) they are the real ones.
"""

import asyncio
import contextlib
import importlib.util
import os
import pathlib
import sys
import types
import unittest
from unittest import mock

HERE = pathlib.Path(__file__).resolve().parent
MAX_SEED = 18446744073709551615


def stand_in():
    """The part of `comfy_api.latest` that the V3 node needs: it keeps what it is given."""

    class Kept:
        def __init__(self, *args, **options):
            self.args, self.options = args, options
            self.__dict__.update(options)
            self.id = args[0] if args else None

    class Kind:
        Input, Output = type("Input", (Kept,), {}), type("Output", (Kept,), {})

    class ComfyNode:
        pass

    io = types.SimpleNamespace(
        ComfyNode=ComfyNode,
        Schema=type("Schema", (Kept,), {}),
        String=type("String", (Kind,), {}),
        Int=type("Int", (Kind,), {}),
        NodeOutput=type("NodeOutput", (Kept,), {}),
    )
    latest = types.ModuleType("comfy_api.latest")
    latest.io, latest.ComfyExtension = io, type("ComfyExtension", (), {})
    package = types.ModuleType("comfy_api")
    package.latest = latest
    return {"comfy_api": package, "comfy_api.latest": latest}


def load(modules):
    """Imports the package as ComfyUI does: from its folder, whatever that is called."""
    name = "nodes_under_test"
    for known in [known for known in sys.modules if known == name or known.startswith(f"{name}.")]:
        del sys.modules[known]
    spec = importlib.util.spec_from_file_location(name, HERE / "__init__.py")
    # Patching puts sys.modules back afterwards, and a real ComfyUI must stay imported: torch loads only once.
    with mock.patch.dict(sys.modules, modules) if modules else contextlib.nullcontext():
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return module


def v3_api():
    folder = os.environ.get("COMFYUI_DIR")
    if not folder:
        return stand_in()
    if folder not in sys.path:
        sys.path.insert(0, folder)
    return {}


class Styles(unittest.TestCase):
    def v1(self):
        # None makes an import fail, as in a ComfyUI that has no such module.
        package = load({"comfy_api": None, "comfy_api.latest": None})
        self.assertFalse(hasattr(package, "comfy_entrypoint"))
        self.assertEqual(set(package.NODE_CLASS_MAPPINGS), set(package.NODE_DISPLAY_NAME_MAPPINGS))
        return package.NODE_CLASS_MAPPINGS["CalibratorPromptReceptor"]

    def v3(self):
        package = load(v3_api())
        # ComfyUI looks for the V1 mappings first, so they must not be there.
        self.assertFalse(hasattr(package, "NODE_CLASS_MAPPINGS"))

        async def nodes():
            return await (await package.comfy_entrypoint()).get_node_list()

        (node,) = asyncio.run(nodes())
        return node

    def test_v1_names_inputs_and_outputs_alike_in_the_same_order(self):
        node = self.v1()
        self.assertEqual(tuple(node.INPUT_TYPES()["required"]), node.RETURN_NAMES)
        types_ = tuple(kind for kind, _ in node.INPUT_TYPES()["required"].values())
        self.assertEqual(types_, node.RETURN_TYPES)

    def test_v3_is_the_same_node_as_v1(self):
        old, schema = self.v1(), self.v3().define_schema()
        self.assertEqual(schema.node_id, "CalibratorPromptReceptor")
        self.assertEqual([entry.id for entry in schema.inputs], list(old.INPUT_TYPES()["required"]))
        self.assertEqual(tuple(entry.display_name for entry in schema.outputs), old.RETURN_NAMES)
        self.assertEqual((schema.category, schema.description), (old.CATEGORY, old.DESCRIPTION))
        for entry, (_, options) in zip(schema.inputs, old.INPUT_TYPES()["required"].values()):
            for option, value in options.items():
                self.assertEqual(getattr(entry, option), value, f"{entry.id}.{option}")

    def test_the_seed_takes_the_whole_range(self):
        options = self.v1().INPUT_TYPES()["required"]["seed"][1]
        self.assertEqual((options["min"], options["max"]), (0, MAX_SEED))
        seed = self.v3().define_schema().inputs[2]
        self.assertEqual((seed.min, seed.max), (0, MAX_SEED))

    def test_values_pass_unchanged(self):
        values = (" {a|b} // c\n", "", MAX_SEED)
        old, new = self.v1(), self.v3()
        self.assertEqual(getattr(old(), old.FUNCTION)(*values), values)
        self.assertEqual(tuple(new.execute(*values).args), values)


if __name__ == "__main__":
    unittest.main()
