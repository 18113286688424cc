"""The same number of threads for every trainer.

Most libraries read these settings once, when they are first imported, so `limit` runs before any of them is.
"""

import os

READ_AT_IMPORT = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "PJRT_NPROC")
"""OpenMP and MKL (torch), OpenBLAS (NumPy, hence scikit-learn), XLA (JAX).

JAX on CPU sizes its pool by the machine's cores unless PJRT_NPROC (or NPROC) says otherwise (checked with
jaxlib 0.10 by counting its `tf_XLAEigen` threads). OMP_NUM_THREADS means nothing to it.
"""


def limit(threads: int) -> None:
    """Set what is read at import; what the caller's shell had set is overridden, so that all are equal."""
    for name in READ_AT_IMPORT:
        os.environ[name] = str(threads)
    if threads == 1:
        flags = os.environ.get("XLA_FLAGS", "")
        os.environ["XLA_FLAGS"] = f"{flags} --xla_cpu_multi_thread_eigen=false".strip()
    os.environ["JAX_PLATFORMS"] = "cpu"
    os.environ["KERAS_BACKEND"] = "jax"
