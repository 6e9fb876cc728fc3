"""The book in Django's admin site, for the head of risk; the audit log is there to read only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import Group
from django.db.models import Model
from django.http import HttpRequest

from accounts import audit
from accounts.models import Account, AuditEntry, Challenge, Phase, Plan, RuleSet, Server, User
from accounts.permissions import announce_change

if TYPE_CHECKING:
    TableAdmin = admin.ModelAdmin
    BaseUserAdmin = UserAdmin[User]
else:
    BaseUserAdmin = UserAdmin

    class TableAdmin(admin.ModelAdmin):
        """Django's own, which has a type argument in its stubs and none at run time."""

        def __class_getitem__(cls, model: type) -> type:
            return cls


admin.site.unregister(Group)  # the role is what counts


class Audited:
    """Whatever is added, changed or deleted in the admin site is in the audit log; mixed into an admin class."""

    def log_addition(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        """Django's own log, and ours."""
        _note(request, "admin_added", obj, message)
        return super().log_addition(request, obj, message)  # type: ignore[misc]

    def log_change(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        """Django's own log, and ours."""
        if message:
            _note(request, "admin_changed", obj, message)
        return super().log_change(request, obj, message)  # type: ignore[misc]

    def log_deletions(self, request: HttpRequest, queryset: Iterable[Model]) -> Any:
        """Django's own log, and ours: one entry for each object."""
        for obj in queryset:
            _note(request, "admin_deleted", obj, "")
        return super().log_deletions(request, queryset)  # type: ignore[misc]


@admin.register(User)
class PeopleAdmin(Audited, BaseUserAdmin):
    """Users with their roles; who changes one is in the audit log."""

    list_display = ("username", "role", "first_name", "last_name", "is_active", "last_login")
    list_filter = ("role", "is_active")
    fieldsets = (*(UserAdmin.fieldsets or ()), ("RiskDesk", {"fields": ("role", "time_zone")}))
    add_fieldsets = (*UserAdmin.add_fieldsets, ("RiskDesk", {"fields": ("role",)}))

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> User | None:
        """The user; what is saved of him from here on, a new password too, bears the name of who did it."""
        found = super().get_object(request, object_id, from_field)
        if found is not None:
            found.changed_by = _person(request)
        return found

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        """Save, with the name of who did it."""
        obj.changed_by = _person(request)
        super().save_model(request, obj, form, change)


@admin.register(Server)
class ServerAdmin(Audited, TableAdmin[Server]):
    """Trading servers; enforcement is switched on the feeds page, where a reason is asked for."""

    list_display = ("name", "kind", "enforcement", "created_at")
    readonly_fields = ("enforcement", "created_at")


@admin.register(Account)
class AccountAdmin(Audited, TableAdmin[Account]):
    """Trading accounts; who owns one decides who sees it, so a change of the owner is audited."""

    list_display = ("login", "public_id", "server", "holder", "trader", "group", "adopted_at")
    list_filter = ("server",)
    search_fields = ("login", "public_id", "holder")
    autocomplete_fields = ("trader",)
    readonly_fields = ("public_id", "server", "upstream_id", "adopted_at")

    def save_model(self, request: HttpRequest, obj: Account, form: Any, change: bool) -> None:
        """Save, and say whose account it was and is."""
        before = User.objects.filter(trading_accounts=obj.pk).first()
        super().save_model(request, obj, form, change)
        if "trader" in form.changed_data:
            if before:
                announce_change(before.pk)  # his sockets lose the account now
            names = (before.username if before else None, obj.trader.username if obj.trader else None)
            audit.record(
                _person(request),
                "account_owner_changed",
                obj.public_id,
                dict(zip(("from", "to"), names, strict=True)),
                request,
            )


class ReadOnly:
    """No adding, changing or deleting; mixed into an admin class."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody."""
        return False


@admin.register(Plan)
class PlanAdmin(ReadOnly, TableAdmin[Plan]):
    """Products that the firm sells; upstream groups rest on their slugs, so their own pages alone change them."""

    list_display = ("name", "slug")


@admin.register(Phase)
class PhaseAdmin(ReadOnly, TableAdmin[Phase]):
    """Stages of the plans: one that judged somebody must not become another plan's."""

    list_display = ("name", "plan", "slug", "order")


@admin.register(RuleSet)
class RuleSetAdmin(ReadOnly, TableAdmin[RuleSet]):
    """Versions of the limits; a new one is made by its verb, never here."""

    list_display = ("phase", "version", "created_at")


@admin.register(Challenge)
class ChallengeAdmin(ReadOnly, TableAdmin[Challenge]):
    """Runs of accounts through the phases; their states change by verbs only."""

    list_display = ("account", "rule_set", "initial_balance", "state", "started_at", "ended_at")
    list_filter = ("state",)
    search_fields = ("account__login", "account__public_id")


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnly, TableAdmin[AuditEntry]):
    """Who did what."""

    list_display = ("at", "actor_name", "verb", "target", "address")
    list_filter = ("verb",)
    search_fields = ("actor_name", "target")


def _note(request: HttpRequest, verb: str, obj: Model, message: Any) -> None:
    """What was done in the admin site; the names of the changed fields, never their values (one may be a secret)."""
    fields = [
        name for part in message if isinstance(part, dict) for what in part.values() for name in what.get("fields", [])
    ] if isinstance(message, list) else []  # fmt: skip
    detail = {"kind": str(obj._meta.verbose_name), **({"fields": fields} if fields else {})}
    audit.record(_person(request), verb, obj, detail, request)


def _person(request: HttpRequest) -> User:
    """The signed-in user; the admin site lets nobody else this far."""
    assert isinstance(request.user, User)
    return request.user
