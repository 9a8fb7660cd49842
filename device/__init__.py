"""SeeAloud on the device: a frame in, a spoken and published caption out.

Never imports TensorFlow, ``training`` or ``convert``.
"""

__version__ = "0.1.0"
