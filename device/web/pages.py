"""The pages for people, as a Flask blueprint: their addresses, and what is common to them.

Invariant: each works with forms alone, without JavaScript. A form is sent by POST. What it changed
is answered by a redirect to the page, where the result has the focus; what was refused by the same
page with status 422, where the wrong field has it.
"""

from __future__ import annotations

from datetime import datetime

from flask import Blueprint, request

from seealoud.device import __version__
from seealoud.device.web import sentences
from seealoud.device.web.kept_pages import KeptPages
from seealoud.device.web.live_page import LivePage
from seealoud.device.web.page_parts import PageParts, local_now
from seealoud.device.web.settings_pages import SettingsPages


def make_pages(parts: PageParts) -> Blueprint:
    """Return the pages; the server has closed them to strangers already.

    Args:
        parts: what the daemon offers to them.
    """
    live, ours, kept = LivePage(parts), SettingsPages(parts), KeptPages(parts)
    blueprint = Blueprint("pages", __name__, template_folder="templates")
    blueprint.add_app_template_filter(sentences.as_sentence, "sentence")
    blueprint.add_app_template_filter(sentences.kind_in_words, "kind")
    blueprint.add_app_template_filter(_moment, "moment")
    blueprint.app_context_processor(
        lambda: {
            "device_name": parts.name,
            "version": __version__,
            "has_login": parts.has_login,
            "is_open": True,
            "page": request.path,
        }
    )
    for rule, view, method in (
        ("/", live.live, "GET"),
        ("/describe", live.describe, "POST"),
        ("/feedback", live.correct, "POST"),
        ("/settings", ours.settings, "GET"),
        ("/settings", ours.change_setting, "POST"),
        ("/places", ours.places, "GET"),
        ("/places", ours.change_places, "POST"),
        ("/places/forget", ours.confirm_forget, "GET"),
        ("/health", ours.health, "GET"),
        ("/health", ours.self_check, "POST"),
        ("/history", kept.history, "GET"),
        ("/history", kept.speak_summary, "POST"),
        ("/feedback", kept.feedback, "GET"),
        ("/feedback/erase", kept.confirm_erase, "GET"),
        ("/feedback/erase", kept.erase_feedback, "POST"),
    ):
        blueprint.add_url_rule(rule, view.__name__, view, methods=[method])
    return blueprint


def _moment(at: datetime) -> str:
    return sentences.moment_in_words(at, local_now())
