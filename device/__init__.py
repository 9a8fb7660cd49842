"""SeeAloud on the device: a frame in, a spoken and published caption out.

Its name is ``seealoud.device``. Never imports TensorFlow, ``training`` or ``convert``.
"""

if __name__ == "device":
    raise ImportError("import seealoud.device instead; the program is: python -m seealoud")

__version__ = "0.1.0"
