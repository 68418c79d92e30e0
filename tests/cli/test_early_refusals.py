"""What names alone tell is refused at once: before torch is imported, which takes seconds."""

import json
import subprocess
import sys

SCRIPT = """
import importlib, json, sys
for name, *given in json.loads(sys.argv[1]):
    sys.argv[1:] = given
    try:
        importlib.import_module(f"srlab.{name}").main()
    except SystemExit as ended:
        print(ended.code)
print("torch" in sys.modules)
"""

REFUSED = {
    ("predict", "model=m.onnx", "input=a.png", "output=none/b.png"): "folder",
    ("predict", "model=m.onnx", "input=a.pgn", "output=b.png"): "did you mean a.png?",
    ("predict", "model=m.onnx", "input=a.png", "output=b.pgn"): "must end in .png",
    ("predict", "model=m.onnx", "input=a.png", "output=a.png"): "is the input itself",
    ("predict", "model=[m.onnx,n.onx]", "input=a.png", "output=b.png"): "no model at n.onx",
    ("predict", "model=m.onnx", "input=*.png", "output=none/out"): "folder",
    ("verify", "model=m.onnx", "input=a.png", "output=b.png"): "b.png does not exist",
    ("evaluate", "model=m.onnx", "output=a.png/out"): "a.png is a file",
    ("evaluate", "model=n.onnx", "output=out"): "there is no model at n.onnx; did you mean m.onnx?",
    ("stats", "data=rgb_folder", "data.root=.", "output=none/b.png"): "folder",
}


def test_a_bad_name_is_refused_before_torch_is_imported(tmp_path):
    for name in ("m.onnx", "a.png"):
        (tmp_path / name).touch()
    command = [sys.executable, "-c", SCRIPT, json.dumps([*REFUSED])]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    *told, loaded = done.stdout.splitlines()
    assert loaded == "False", done.stderr
    for line, wanted in zip(told, REFUSED.values(), strict=True):
        assert wanted in line
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "m.onnx"]
