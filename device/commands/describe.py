"""``seealoud describe``: its options; everything that takes long to import is imported when run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from seealoud.device.commands.command_line import Count
from seealoud.device.commands.options import DescribeOptions
from seealoud.device.commands.report import verbose_option

if TYPE_CHECKING:
    from seealoud.device.commands.run_describe import DescribeParts

_FILE = click.Path(path_type=Path, dir_okay=False)
_COUNT = Count()


@click.command(short_help="Describe pictures.")
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.option("-r", "--recursive", is_flag=True, help="Search folders inside folders as well.")
@click.option(
    "--bundle",
    metavar="NAME|PATH",
    help="The captioner to use. Default: $SEEALOUD_BUNDLE, else the one that comes with SeeAloud.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@click.option(
    "--beam", type=_COUNT, help="Hypotheses kept while searching. Default: the bundle's own number."
)
@click.option(
    "--n-best", type=_COUNT, default=3, show_default=True, help="Hypotheses reported, best first."
)
@click.option("--threads", type=_COUNT, help="Threads for the model. Default: all cores.")
@click.option(
    "-j", "--jobs", type=_COUNT, help="Pictures at a time. Default: one for each core, if many."
)
@click.option(
    "-o",
    "--output",
    type=_FILE,
    metavar="FILE",
    help="Write one row for each picture to FILE (.jsonl, .csv or .txt) instead of printing. If "
    "FILE has rows already, only what has none is described.",
)
@click.option(
    "--contact-sheet",
    type=_FILE,
    metavar="FILE.html",
    help="Write a page with small pictures and what is said of them.",
)
@click.option(
    "--srt",
    type=_FILE,
    metavar="FILE.srt",
    help="Describe a film scene by scene, into subtitles (SubRip).",
)
@click.option(
    "--vtt",
    type=_FILE,
    metavar="FILE.vtt",
    help="Describe a film scene by scene, into subtitles (WebVTT).",
)
@click.option(
    "--audio-description",
    type=_FILE,
    metavar="FILE.wav",
    help="Describe a film scene by scene, and speak it into the pauses of the film's sound.",
)
@click.option(
    "--beside",
    is_flag=True,
    help="With --audio-description: the description only, without the film's sound.",
)
@click.option(
    "--progress/--no-progress",
    default=None,
    help="Draw a bar. Default: on a terminal to which no descriptions are printed.",
)
@click.option("--speak", is_flag=True, help="Speak every description through the sound card.")
@click.option(
    "--audio-device", metavar="DEVICE", help="ALSA device for --speak, as `aplay -L` lists them."
)
@click.option(
    "--voice", type=_FILE, metavar="FILE", help="A Piper voice (.onnx, with its .onnx.json beside)."
)
@click.option(
    "--wav", type=_FILE, metavar="FILE", help="Write the speech of all captions into one WAV file."
)
@click.option("--mqtt", metavar="HOST[:PORT]", help="Publish every caption to this MQTT broker.")
@click.option("--mqtt-user", metavar="NAME", help="User at the broker.")
@click.option(
    "--mqtt-password-file",
    type=_FILE,
    metavar="FILE",
    help="File with the user's password. Default: $SEEALOUD_MQTT_PASSWORD.",
)
@click.option("--mqtt-tls", is_flag=True, help="Encrypt, and trust the system's authorities (CAs).")
@click.option(
    "--mqtt-ca", type=_FILE, metavar="FILE", help="Encrypt, and trust this authority (CA)."
)
@click.option("--mqtt-cert", type=_FILE, metavar="FILE", help="Our certificate for the broker.")
@click.option("--mqtt-key", type=_FILE, metavar="FILE", help="The key of --mqtt-cert.")
@click.option(
    "--mqtt-protocol",
    type=click.Choice(["5", "3.1.1"]),
    help="MQTT version. Default: 5, or 3.1.1 if the broker does not accept 5.",
)
@click.option(
    "--device-id",
    metavar="ID",
    envvar="SEEALOUD_DEVICE_ID",
    help="Name of this device in the topics. Default: derived from the machine's id.",
)
@verbose_option
@click.pass_obj
def describe(parts: DescribeParts | None, /, **values: Any) -> int:
    """Describe what each SOURCE shows, worded by how sure the model is.

    The output is what the daemon would say: a picture that is too dark, or unlike anything the
    model was trained on, is not captioned. --json prints the caption and its probability as well.

    A SOURCE is a picture, a folder of pictures, the http(s) address of a picture or stream, a
    video (its first frame), a camera (camera:0, /dev/video0, picamera2, rtsp://...), or - for a
    picture on standard input. Frames stay on this machine. With --srt, --vtt or
    --audio-description, the scenes of one film are described.

    Exit codes: 0 success, 2 wrong option, 3 bundle, 4 picture, 5 camera, 6 model,
    7 speech, 8 broker, 13 a file of results, 130 interrupted. With several errors: the
    first one's.
    """
    from seealoud.device.commands import run_describe

    options, parts = DescribeOptions(**values), parts or run_describe.DescribeParts()
    if options.is_film:
        from seealoud.device.commands.film import describe_film

        return describe_film(options, parts)
    return run_describe.describe(options, parts)
