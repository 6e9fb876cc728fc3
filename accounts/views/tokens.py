"""Access of other systems: tokens given, shown once, and ended."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods, require_POST

from accounts import tokens as book
from accounts.models import ApiToken, User
from accounts.permissions import access_tokens, gate
from accounts.tokens import TokenError

WRONG, LAST_YEAR = 422, 2100


class TokenForm(forms.Form):
    """Whose token, for which system, until when."""

    user = forms.ModelChoiceField(User.objects.none(), label="Acts as")
    name = forms.CharField(max_length=80, label="For which system")
    expires = forms.DateField(required=False, label="Until the end of", widget=forms.DateInput(attrs={"type": "date"}))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choice = self.fields["user"]
        assert isinstance(choice, forms.ModelChoiceField)
        choice.queryset = User.objects.filter(is_active=True).order_by("role", "username")
        for_people = [(user.pk, f"{user.username}, {user.get_role_display().lower()}") for user in choice.queryset]
        choice.choices = [("", "Choose…"), *for_people]

    def clean_expires(self) -> date | None:
        """A day whose end a calendar still has."""
        day: date | None = self.cleaned_data["expires"]
        if day is not None and day.year > LAST_YEAR:
            raise forms.ValidationError("lies too far ahead")
        return day

    def expiry(self) -> datetime | None:
        """The instant at which the chosen day ends, in UTC."""
        day = self.cleaned_data["expires"]
        return datetime.combine(day, time(), UTC) + timedelta(days=1) if day else None


@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_variables("text")
@never_cache
@gate(access_tokens)
def tokens(request: HttpRequest) -> HttpResponse:
    """The list, and the form; a new token's text is on the answer to its form and nowhere else."""
    form = TokenForm(request.POST if request.method == "POST" else None)
    text, status = "", 200
    if request.method == "POST":
        status = WRONG
        if form.is_valid():
            try:
                text, status, form = _given(request, form), 201, TokenForm()
            except TokenError as error:
                for path, message in error.errors:
                    form.add_error("expires" if path == "expires_at" else path or None, message)
    rows = ApiToken.objects.select_related("user")
    now = timezone.now()
    listed = [{"one": one, "state": state(one, now)} for one in rows]
    return render(request, "accounts/tokens.html", {"form": form, "text": text, "rows": listed}, status=status)


@require_POST
@gate(access_tokens)
def revoke(request: HttpRequest, token_id: int) -> HttpResponse:
    """End a token at once."""
    assert isinstance(request.user, User)
    token = ApiToken.objects.select_related("user").filter(pk=token_id).first()
    if token is None:
        raise Http404("There is no such token.")
    if book.revoke(token, request.user, request=request):
        messages.success(request, f"The token {token} is revoked.")
    return redirect("tokens")


def state(token: ApiToken, now: datetime) -> str:
    """holds, revoked, expired, or resting with its user."""
    if token.revoked_at:
        return "revoked"
    if token.expires_at and token.expires_at <= now:
        return "expired"
    return "holds" if token.user.is_active else "its user is switched off"


def _given(request: HttpRequest, form: TokenForm) -> str:
    assert isinstance(request.user, User)
    asked = form.cleaned_data
    return book.create(asked["user"], asked["name"], request.user, form.expiry(), request=request)[1]
