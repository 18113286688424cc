"""Set the same number of threads for every trainer.

Most libraries read these settings when they are first imported, so `limit` must run before any import of them.
"""

import os

READ_AT_IMPORT = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "PJRT_NPROC")
"""OpenMP and MKL (torch), OpenBLAS (NumPy, hence scikit-learn), XLA (JAX).

JAX on CPU uses as many threads as the machine has cores unless PJRT_NPROC (or NPROC) is set (checked with jaxlib 0.10
by counting its `tf_XLAEigen` threads). It ignores OMP_NUM_THREADS.
"""


def limit(threads: int) -> None:
    """Set the variables that are read at import; settings of the shell are overridden."""
    for name in READ_AT_IMPORT:
        os.environ[name] = str(threads)
    if threads == 1:
        flags = os.environ.get("XLA_FLAGS", "")
        os.environ["XLA_FLAGS"] = f"{flags} --xla_cpu_multi_thread_eigen=false".strip()
    os.environ["JAX_PLATFORMS"] = "cpu"
    os.environ["KERAS_BACKEND"] = "jax"
