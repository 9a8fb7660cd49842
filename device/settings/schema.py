"""All settings of the daemon: one table for each part, in the order of the reference."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StrictBool, field_validator

from seealoud.device.camera.settings import CameraSettings
from seealoud.device.health.settings import LogSettings, MetricsSettings
from seealoud.device.history.settings import HistorySettings
from seealoud.device.mqtt.broker import check_device_id
from seealoud.device.mqtt.settings import MqttSettings
from seealoud.device.narrator.settings import NarrationSettings
from seealoud.device.settings_base import LineText, PathText, SettingsGroup, WebAddress
from seealoud.device.speech.settings import SpeechSettings
from seealoud.device.triggers.settings import TriggerSettings
from seealoud.device.web.settings import WebSettings


class DeviceSettings(SettingsGroup):
    """The identity of this device."""

    name: Annotated[LineText, Field(min_length=1, max_length=64)] = "SeeAloud"
    """Its name for people; Home Assistant shows it."""

    id: Annotated[str, Field(examples=["kitchen"])] | None = None
    """Its name in every MQTT topic: 1 to 64 letters, digits, "-" or "_", beginning with a letter or
    a digit. Not set: derived from the machine's id, so that it stays the same. If several daemons
    run on one machine, each needs a different one."""

    @field_validator("id")
    @classmethod
    def _fits_into_a_topic(cls, device_id: str | None) -> str | None:
        return None if device_id is None else check_device_id(device_id)


class PictureSettings(SettingsGroup):
    """Whether unusable pictures are refused: too dark, too bright, covered, or blurred.

    A refused picture is not captioned; the fault is spoken instead.
    """

    is_gate_on: StrictBool = True
    """Whether pictures are judged at all; otherwise every picture is captioned."""


class PlacesSettings(SettingsGroup):
    """The places that were taught with `seealoud place teach NAME`."""

    is_spoken: StrictBool = False
    """Whether the answer to "describe" begins with the place, where it is recognised, as in
    "Kitchen: A cup on the left."."""


class CaptionerSettings(SettingsGroup):
    """The captioning model."""

    bundle: (
        Annotated[PathText, Field(min_length=1, examples=["/var/lib/seealoud/bundle"])] | None
    ) = None
    """Name of a bundle that comes with SeeAloud, or the path of another one. Not set:
    $SEEALOUD_BUNDLE, else the default bundle."""

    updates: Annotated[WebAddress, Field(examples=["http://files.local/feed.json"])] | None = None
    """Address of a signed feed, at which the device looks once a day for a newer bundle; Home
    Assistant then offers it as an update. Not set: nothing is looked for. See bundles.md."""

    threads: Annotated[int, Field(ge=1, le=64, examples=[2])] | None = None
    """Number of threads for the model. Not set: one for each core."""


class Settings(SettingsGroup):
    """The whole file."""

    device: DeviceSettings = DeviceSettings()
    camera: CameraSettings = CameraSettings()
    triggers: TriggerSettings = TriggerSettings()
    picture: PictureSettings = PictureSettings()
    captioner: CaptionerSettings = CaptionerSettings()
    places: PlacesSettings = PlacesSettings()
    narration: NarrationSettings = NarrationSettings()
    speech: SpeechSettings = SpeechSettings()
    mqtt: MqttSettings = MqttSettings()
    history: HistorySettings = HistorySettings()
    web: WebSettings = WebSettings()
    metrics: MetricsSettings = MetricsSettings()
    log: LogSettings = LogSettings()
