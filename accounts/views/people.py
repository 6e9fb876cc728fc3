"""Signing in and out, and a person's own settings."""

from __future__ import annotations

from django.conf import settings as configured
from django.contrib import auth, messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts import audit
from accounts.forms import LoginForm, NewPasswordForm, TimeZoneForm
from accounts.models import Role, User
from accounts.permissions import gate, sign_out

WAY_BACK_LIMIT = 2000  # signs; browsers and Django's redirects take little more


@require_GET
@gate()
def home(request: HttpRequest) -> HttpResponse:
    """A trader to his accounts, everybody else to the desk."""
    return redirect("/me/" if _user(request).role == Role.TRADER else "/desk/")


@require_http_methods(["GET", "POST"])
@sensitive_post_parameters("password")
@never_cache
def login(request: HttpRequest) -> HttpResponse:
    """The login page; five failures lock the name at that address for a quarter of an hour (django-axes)."""
    back = _way_back(request)
    if request.user.is_authenticated:
        return HttpResponseRedirect(back)
    form = LoginForm(request, data=request.POST or None)
    if request.method == "POST" and form.is_valid():
        auth.login(request, form.get_user())
        return HttpResponseRedirect(back)
    return render(request, "accounts/login.html", {"form": form, "next": back, "demo": _is_demo()})


@require_POST
def logout(request: HttpRequest) -> HttpResponse:
    """End the session, and its sockets with it."""
    return sign_out(request)


@require_http_methods(["GET", "POST"])
@sensitive_post_parameters()
@gate()
def settings(request: HttpRequest) -> HttpResponseBase:
    """A person's own time zone and password; each of the two forms is sent by itself."""
    user = _user(request)
    asked = request.POST.get("form")
    zone = TimeZoneForm(request.POST if asked == "zone" else None, initial={"time_zone": user.time_zone})
    password = NewPasswordForm(user, request.POST if asked == "password" else None)
    if zone.is_bound and zone.is_valid():
        user.time_zone = zone.cleaned_data["time_zone"]
        with transaction.atomic():
            user.save(update_fields=["time_zone"])
            if "time_zone" in zone.changed_data:
                change = {"from": zone.initial["time_zone"], "to": user.time_zone}
                audit.record(user, "time_zone_changed", user, change, request)
        messages.success(request, "Time zone saved.")
        return redirect("settings")
    if password.is_bound and password.is_valid():
        user.changed_by = user
        password.save()
        auth.update_session_auth_hash(request, user)
        messages.success(request, "Password changed. Every other session of yours has been signed out.")
        return redirect("settings")
    return render(request, "accounts/settings.html", {"zone_form": zone, "password_form": password})


def _user(request: HttpRequest) -> User:
    """The user behind a gate."""
    assert isinstance(request.user, User)
    return request.user


def _way_back(request: HttpRequest) -> str:
    """Where `next` points, if that is a page of this desk: a path, never another host and never a view's name."""
    asked = request.POST.get("next") or request.GET.get("next") or ""
    allowed = (
        asked.startswith("/")
        and len(asked) <= WAY_BACK_LIMIT
        and url_has_allowed_host_and_scheme(asked, {request.get_host()}, require_https=request.is_secure())
    )
    return asked if allowed else configured.LOGIN_REDIRECT_URL


def _is_demo() -> bool:
    return configured.RISKDESK_UPSTREAM.is_simulator
