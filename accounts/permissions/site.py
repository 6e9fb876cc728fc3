"""The gate of Django's admin site: the head of risk, signed in at the desk's own login page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from accounts.permissions.pages import gate, sign_out
from accounts.permissions.roles import access_admin, may_admin


class DeskAdminSite(admin.AdminSite):
    """The admin site behind the desk's gate: the role opens it, being staff or superuser alone does not."""

    def has_permission(self, request: HttpRequest) -> bool:
        """The head of risk."""
        return may_admin(request.user)

    def admin_view(self, view: Callable[..., Any], cacheable: bool = False) -> Any:
        """As Django's, behind the gate: the anonymous to the login page, the others a 403 and an audit entry."""
        return gate(access_admin)(super().admin_view(view, cacheable))

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """There is one login page."""
        return HttpResponseRedirect(f"{reverse('login')}?next={reverse('admin:index')}")

    # The stubs promise a template for the next two; a redirect serves as well.

    def password_change(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """There is one page to change one's own password, and it writes down who did it."""
        return HttpResponseRedirect(reverse("settings"))

    def logout(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """As everywhere on the desk."""
        return sign_out(request)
