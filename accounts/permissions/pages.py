"""The gate of pages: a decorator that sends the anonymous to the login page and shows the refused why."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib import auth
from django.contrib.auth.views import redirect_to_login
from django.dispatch import Signal
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render

from accounts.permissions.roles import AccessRefused, AnyUser
from accounts.permissions.sockets import announce_change

Check = Callable[[AnyUser], object]
View = TypeVar("View", bound=Callable[..., HttpResponseBase])

access_was_refused = Signal()  # actor, target (the path), reason, request


def gate(*checks: Check) -> Callable[[View], View]:
    """Decorate a view: the anonymous go to the login page; who fails a check, here or inside the view, gets a 403.

    A check is an `access_*` (raises) or a `may_*` (answers); with none, being signed in is enough.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def gated(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if not request.user.is_authenticated:
                return _to_login(request)
            try:
                for check in checks:
                    if check(request.user) is False:
                        raise AccessRefused("Your role does not allow this.")
                return view(request, *args, **kwargs)
            except AccessRefused as refusal:
                return _refused(request, refusal.reason)

        return cast("View", gated)

    return decorate


def sign_out(request: HttpRequest) -> HttpResponse:
    """End the session, and the sockets that rest on it; then the login page."""
    user = request.user
    auth.logout(request)
    if user.pk is not None:
        announce_change(user.pk)  # only now: a socket that asks again finds the session gone
    return redirect(settings.LOGOUT_REDIRECT_URL)


def _refused(request: HttpRequest, reason: str) -> HttpResponse:
    access_was_refused.send(gate, actor=request.user, target=request.path, reason=reason, request=request)
    return render(request, "403.html", {"exception": reason, "audited": True}, status=403)


def _to_login(request: HttpRequest) -> HttpResponse:
    """The login page with the way back; an htmx request is told to leave its page for it."""
    if not request.headers.get("HX-Request"):
        return redirect_to_login(request.get_full_path(), settings.LOGIN_URL)
    try:
        page = urlsplit(request.headers.get("HX-Current-URL", "/"))
    except ValueError:  # no address: a browser never sends that
        page = urlsplit("/")
    back = page.path + (f"?{page.query}" if page.query else "")
    return HttpResponse(status=204, headers={"HX-Redirect": redirect_to_login(back, settings.LOGIN_URL).url})
