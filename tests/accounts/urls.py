"""The book's addresses, and one probe page for each gate, so that these tests rest on no other app's pages."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.urls import include, path

from accounts import permissions
from accounts.permissions import access_account, gate

NO_CHECKS = {"access_account", "access_was_refused"}
NAMES = {name for name in permissions.__all__ if name.startswith("access_")} - NO_CHECKS
FOR_SOCKETS = {"may_watch_account", "may_watch_desk", "may_watch_own_accounts"}
ANSWERS = {name for name in permissions.__all__ if name.startswith("may_")} - FOR_SOCKETS
GATES = {name: getattr(permissions, name) for name in NAMES | ANSWERS}


@gate()
def account(request: HttpRequest, public_id: str) -> HttpResponse:
    """A page that asks for one account inside the view."""
    return HttpResponse(access_account(request.user, public_id).public_id)


def forbidden(request: HttpRequest) -> HttpResponse:
    """A refusal that comes from elsewhere."""
    raise PermissionDenied("not today")


def broken(request: HttpRequest) -> HttpResponse:
    """A defect."""
    raise RuntimeError("a defect")


def probe(request: HttpRequest) -> HttpResponse:
    """What stands behind a gate."""
    return HttpResponse("inside")


urlpatterns = [
    *(path(f"probe/{name}/", gate(check)(probe)) for name, check in GATES.items()),
    path("probe/signed-in/", gate()(probe)),
    path("probe/account/<str:public_id>/", account),
    path("probe/forbidden/", forbidden),
    path("probe/broken/", broken),
    path("", include("accounts.urls")),
]
