"""The numba engine: float32 on a CPU, one network after the other in compiled code.

One network is computed by one thread from start to end, so its bits depend on nobody beside it and
on no number of threads. Threads are Python's, each in compiled code without the interpreter lock:
nothing of numba's own thread pool is used or changed, and several callers may run at once.

`tile`, `kernels`: matrix products · `network`: one network and its step in time · `rollouts` (the
engine), `gradients`, `training`, `responses`: what is made of it, each with the Python that calls
it · `draws`, `batches`: random numbers and training batches · `cache`: compiling.
"""
