"""Arrays in files that are damaged, or claim what they are not."""

import io
import zipfile

import numpy as np


def header(shape, descr="<f4"):
    """Return the header of an ``.npy`` that claims such an array."""
    buffer = io.BytesIO()
    words = {"descr": descr, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(buffer, words)
    return buffer.getvalue()


def claiming(path, shape, descr="<f4"):
    path.write_bytes(header(shape, descr) + bytes(1000))


def archive(path, content, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as file:
        file.writestr("a.npy", content)


def truncated(path):
    np.save(path, np.zeros((40, 50)))
    path.write_bytes(path.read_bytes()[:5000])


UNREADABLE_ARRAYS = {
    "huge.npy": lambda path: claiming(path, (10**6, 10**6, 10**6)),
    "wraps_around.npy": lambda path: claiming(path, (2**32, 2**32)),
    "negative.npy": lambda path: claiming(path, (-4, 5)),
    "nothing.npy": lambda path: claiming(path, (0, 5)),
    "one_axis.npy": lambda path: claiming(path, (50,)),
    "six_axes.npy": lambda path: claiming(path, (1, 1, 1, 1, 5, 5)),
    "axes.zyx.npy": lambda path: claiming(path, (5, 5)),
    "complex.npy": lambda path: claiming(path, (5, 5), "<c8"),
    "text_inside.npy": lambda path: claiming(path, (5, 5), "<U3"),
    "fields.npy": lambda path: claiming(path, (5, 5), [("a", "<f4")]),
    "objects.npy": lambda path: np.save(path, np.array([[{}]]), allow_pickle=True),
    "pickle.npy": lambda path: path.write_bytes(np.arange(4).reshape(2, 2).dumps()),
    "code.npy": lambda path: path.write_bytes(header((5, 5)).replace(b"False", b"f(1) ")),
    "truncated.npy": truncated,
    "empty.npy": lambda path: path.touch(),
    "empty.npz": lambda path: archive(path, b""),
    "huge.npz": lambda path: archive(path, header((10**6, 10**6, 10**6)) + bytes(2**26)),
    "huge_stored.npz": lambda path: archive(path, header((10**9, 10**9)), zipfile.ZIP_STORED),
    "method.npz": lambda path: archive(path, header((5, 5)) + bytes(100), zipfile.ZIP_LZMA),
    "objects.npz": lambda path: np.savez(path, a=np.array([[{}]])),
    "no_arrays.npz": lambda path: np.savez(path, a=np.array("x"), b=np.arange(3)),
    "no_archive.npz": lambda path: path.write_bytes(header((5, 5)) + bytes(100)),
}
"""Functions that write files which cannot be read, by name."""
