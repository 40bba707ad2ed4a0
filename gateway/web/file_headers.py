"""What is said of a stranger's file: shown when it is a plain picture, sound or film, downloaded otherwise."""

from __future__ import annotations

from urllib.parse import quote

from gateway.core.messages import Media

SHOWN_TYPES = frozenset(
    {
        "image/png",
        "image/jpeg",
        "image/gif",
        "image/webp",
        "image/avif",
        "audio/mpeg",
        "audio/ogg",
        "audio/mp4",
        "audio/aac",
        "audio/amr",
        "audio/wav",
        "audio/webm",
        "video/mp4",
        "video/3gpp",
        "video/webm",
        "video/quicktime",
    }
)
"""Nothing that a browser would run. SVG holds scripts, so it is a download."""

TOLD_TYPES = SHOWN_TYPES | {
    "application/pdf",
    "application/zip",
    "application/msword",
    "application/vnd.ms-excel",
    "application/vnd.ms-powerpoint",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "text/plain",
    "text/csv",
    "text/vcard",
    "text/calendar",
}
"""Types that may be named: providers refuse a document whose type they are not told."""

SAFE_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "private, max-age=3600",
}


def headers_for(media: Media, told: frozenset[str] = SHOWN_TYPES) -> dict[str, str]:
    """Headers under which no browser runs or renders what a stranger sent. Types outside of *told* are not named."""
    mime = media.mime.partition(";")[0].strip().lower()
    name = quote(media.name.replace("/", "_").replace("\\", "_") or "file", safe="")
    disposition = f"{'inline' if mime in SHOWN_TYPES else 'attachment'}; filename*=UTF-8''{name}"
    return {
        **SAFE_HEADERS,
        "Content-Type": mime if mime in told else "application/octet-stream",
        "Content-Disposition": disposition,
        "ETag": f'"{media.blob.replace("/", "")}"',
    }
