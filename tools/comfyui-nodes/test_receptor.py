"""Checks the node's contract with ComfyUI and with Prompt Calibrator, without ComfyUI."""

import importlib.util
import pathlib
import unittest

_SPEC = importlib.util.spec_from_file_location("receptor", pathlib.Path(__file__).with_name("__init__.py"))
receptor = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(receptor)
Node = receptor.NODE_CLASS_MAPPINGS["CalibratorPromptReceptor"]


class Receptor(unittest.TestCase):
    def test_inputs_and_outputs_go_by_the_same_names_in_the_same_order(self):
        self.assertEqual(tuple(Node.INPUT_TYPES()["required"]), Node.RETURN_NAMES)
        types = tuple(kind for kind, _ in Node.INPUT_TYPES()["required"].values())
        self.assertEqual(types, Node.RETURN_TYPES)

    def test_the_seed_takes_the_whole_range(self):
        options = Node.INPUT_TYPES()["required"]["seed"][1]
        self.assertEqual((options["min"], options["max"]), (0, 18446744073709551615))

    def test_values_pass_unchanged(self):
        values = (" {a|b} // c\n", "", 18446744073709551615)
        self.assertEqual(getattr(Node(), Node.FUNCTION)(*values), values)


if __name__ == "__main__":
    unittest.main()
