"""Serves single files of installed packages (Plotly's bundle) as static files, so that none is committed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.staticfiles.finders import BaseFinder
from django.core.files.storage import FileSystemStorage, Storage


class VendorFinder(BaseFinder):
    """Finds what `RISKDESK_VENDOR_FILES` maps: the path under /static/ -> the file of a package."""

    def find(self, path: str, find_all: bool = False, **kwargs: Any) -> Any:
        """The file for a static path; nothing (an empty list) where it is not one of ours."""
        file: Path | None = settings.RISKDESK_VENDOR_FILES.get(path)
        if file is None or not file.is_file():
            return []
        return [str(file)] if find_all else str(file)

    def list(self, ignore_patterns: Iterable[str] | None) -> Iterator[tuple[str, Storage]]:
        """Every file, with a storage that holds it."""
        for path, file in settings.RISKDESK_VENDOR_FILES.items():
            storage = FileSystemStorage(location=file.parent)
            storage.prefix = str(Path(path).parent)  # type: ignore[attr-defined]  # collectstatic reads it
            yield file.name, storage
