# Copyright (c) 2026 The qingguo.qgnet authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The operation of a task, which runs on the control node or where the task is delegated to; and
its options.

Options come from the option itself, its variable, its environment variable, or its default. The
first source with a value is used. Null and empty values are refused, since a default or another
key would count instead of what somebody has written down. AWX sets empty environment variables for
the fields of a credential that are not filled in, so these alone count as no value. The names are
derived from the option: ``qg_key`` and ``QG_KEY``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible.module_utils.basic import AnsibleFallbackNotFound

from .._core.errors import MissingOption, OptionError, QgError, UnexpectedError
from .._core.runtime import REAL, SILENT, Announcer, Runtime, use
from .._core.text import clean, database_secrets, environment_secrets, similar, without_secrets
from .values import meant, typed_options

Spec = dict[str, dict[str, Any]]
#: The options of a task as their types. What is below the operations of a domain gets objects
#: instead.
Params = Mapping[str, Any]
#: The value of a variable that does not exist.
UNSET: Any = object()
#: Returns the value of the variable of an option.
Variable = Callable[[str], Any]
#: Selectors beside which all=true has another meaning.
_PLACES = ("area", "areas", "exclude_areas")


def variable_name(option: str) -> str:
    """Return the name of the Ansible variable of an option."""
    return f"qg_{option}"


def environment_name(option: str) -> str:
    """Return the name of the environment variable of an option."""
    return f"QG_{option.upper()}"


def from_environment(name: str) -> str:
    """Return the value of an environment variable: Ansible's fallback would accept empty text."""
    if value := os.environ.get(name):
        return value
    raise AnsibleFallbackNotFound


#: What else the environment sets: for how many days the ledger keeps calls, and the length of the
#: simulator's minute.
_OTHER_SETTINGS = ("ledger_days", "minute_seconds")


def check_environment(options: Iterable[str]) -> list[str]:
    """Refuse a misspelt environment variable: that of a cap would cost money.

    Returns those that begin as these do and are none of the collection.
    """
    settings = (*options, *_OTHER_SETTINGS)
    prefix = environment_name("")
    names = set(map(environment_name, settings))
    others = [name for name in os.environ if name.startswith(prefix) and name not in names]
    for name in others:
        near = meant(name.removeprefix(prefix).lower(), settings)
        if near is not None:
            raise no_such_setting(f"The environment variable {name}", environment_name(near))
    return others


def no_such_setting(named: str, meant_name: str) -> OptionError:
    """Return the refusal of a variable that is none of the collection, and resembles one."""
    fix = (
        f"did you mean {meant_name}? If it is a variable of your own, give it a name that does not "
        "resemble one of the collection"
    )
    return OptionError(named, "does not exist", fix)


def shared(name: str, **fields: Any) -> dict[str, dict[str, Any]]:
    """Declare an option that has a variable and an environment variable."""
    return {name: {**fields, "fallback": (from_environment, [environment_name(name)])}}


def shared_options(spec: Spec) -> list[str]:
    """Return the options of a specification that have a variable and an environment variable."""
    return [name for name, option in spec.items() if "fallback" in option]


def from_this_environment(spec: Spec) -> dict[str, str]:
    """Return the options that the control node's environment sets, for another machine."""
    # Imported only for such a task.
    from .._store.opening import is_database

    options = {}
    for option in shared_options(spec):
        value = os.environ.get(environment_name(option))
        # A directory of the control node means nothing on another machine.
        if value and (option != "store" or is_database(value)):
            options[option] = value
    return options


def read_options(
    spec: Spec,
    given: Mapping[str, Any],
    *,
    place: str,
    variable: Variable | None = None,
    selectors: Iterable[str] = (),
) -> dict[str, Any]:
    """Return all options of a specification as their types; raises OptionError for a mistake.

    ``given`` are the options as the user wrote them at a ``place``. The ``selectors`` select
    objects.
    """
    values: dict[str, Any] = dict(given)
    try:
        check_option_names(spec, given)
        values = given_options(spec, given, place=place, variable=variable, selectors=selectors)
        for name in shared_options(spec):
            text = os.environ.get(environment_name(name))
            if text and name not in values:
                values[name] = text
        return typed_options(spec, values)
    except OptionError as error:
        mistake = error
    # The quoted value may be the secret of another option.
    secrets = []
    for name, option in spec.items():
        if option.get("no_log"):
            secrets.append(str(values.get(name) or os.environ.get(environment_name(name), "")))
    raise type(mistake)(*without_secrets((mistake.option, mistake.problem, mistake.fix), secrets))


def check_option_names(spec: Collection[str], given: Iterable[str]) -> None:
    """Refuse what is not an option."""
    for name in given:
        if name not in spec:
            fix = f"the options are {', '.join(sorted(spec))}"
            if near := similar(name, spec):
                fix = f"did you mean {near[0]}? T{fix[1:]}"
            raise OptionError(name, "is not an option", fix)


def given_options(
    spec: Spec,
    given: Mapping[str, Any],
    *,
    place: str,
    variable: Variable | None = None,
    selectors: Iterable[str] = (),
) -> dict[str, Any]:
    """Return the options that a task or variables set, before the environment and defaults."""
    result = {name: plain(value) for name, value in given.items()}
    for name in spec:
        if variable is None or name in result:
            continue
        value = plain(variable(name))
        if value is not UNSET:
            result[name] = value
    for name in result.keys() & spec.keys():
        refuse_blank(name, spec[name], result[name], selectors)
    shared_names = shared_options(spec)
    for name, option in spec.items():
        if not option.get("required") or name in result:
            continue
        if name not in shared_names:
            raise OptionError(name, "is missing", f"give it as {place}")
        if not os.environ.get(environment_name(name)):
            fix = f"give it as {place}"
            if variable:
                fix += f", as variable {variable_name(name)},"
            fix += f" or as {environment_name(name)} in the environment of the control node"
            raise MissingOption(name, "is missing", fix)
    return result


def plain(value: Any) -> Any:
    """Return a value without ansible-core's tags, which are slow to copy, and decrypted."""
    if isinstance(value, dict):
        return {plain(name): plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, str):
        return str.__str__(value)
    if getattr(value, "__ENCRYPTED__", False):
        return str(value)
    return value


def refuse_blank(
    name: str, option: Mapping[str, Any], value: Any, selectors: Iterable[str] = ()
) -> None:
    """Refuse null or an empty value, unless an empty one is the default of the option.

    Of an option that selects, a list of empty values is empty. What a required list has to contain
    is up to its task.
    """
    is_list = isinstance(value, list | tuple | dict | set)
    is_blank = _is_blank(value)
    if is_list and name not in selectors:
        is_blank = not value
    default = option.get("default")
    may_be_empty = default is not None and _is_blank(default)
    if not is_blank or may_be_empty or (is_list and option.get("required")):
        return
    problem = "is null" if value is None else f"is empty ({value!r})"
    fix = "give a value, or leave the option out, in a template with default(omit)"
    if name == "key":
        problem += ", which never means another key"
    elif name in selectors:
        problem += ", which never means all"
        if "all" in selectors and name not in _PLACES:
            fix += ", or set all=true if all are meant"
    raise OptionError(name, problem, fix)


def _is_blank(value: Any) -> bool:
    """Whether a value is null, blank text, or a list or dictionary of only such values."""
    if value is None or isinstance(value, str):
        return not (value or "").strip()
    return isinstance(value, list | tuple | dict | set) and all(map(_is_blank, value))


#: What has set an option, if no variable has.
TASK = "the task"
DEFAULT = "the default"


@dataclass(frozen=True)
class Mode:
    """The modes of a task: ``check`` and ``diff``, and the ``announcer`` of its waits.

    ``origin`` returns what has set an option: a variable, an environment variable, the task or the
    default. ``runtime`` is what the task takes from the machine: its clocks, sleep, random delays
    and transport.
    """

    check: bool = False
    diff: bool = False
    announcer: Announcer = SILENT
    origin: Callable[[str], str] = lambda _option: TASK
    runtime: Runtime = REAL


@dataclass(frozen=True)
class Operation:
    """The specification of options, and a function from validated options to a result.

    The function raises QgError, or returns a result that may contain ``failed`` and ``msg``. A
    result for which the boolean ``secret_option`` is true has secrets, and is hidden. The function
    adds them, or with the key and the password ``reveal`` does, which only the control node calls.
    ``selectors`` are the options that select objects. ``may_buy`` says whether a run with these
    options may pay, for which it needs the cap of the inventory, if that has one.
    """

    spec: Spec
    run: Callable[[Params, Mode], dict[str, Any]]
    reveal: Callable[[dict[str, Any], str, str], None] | None = None
    secret_option: str | None = None
    selectors: tuple[str, ...] = ()
    may_buy: Callable[[Params], bool] = lambda _params: False


def execute(operation: Operation, params: Params, mode: Mode) -> dict[str, Any]:
    """Run an operation, and return its redacted result; turn an error into a failed result."""
    secrets = secrets_in(params, operation.spec)
    with use(mode.runtime):
        result = guarded(lambda: operation.run(params, mode), origin=mode.origin)
    return clean(result, secrets)


def guarded(
    work: Callable[[], dict[str, Any]],
    passed_on: tuple[type[Exception], ...] = (),
    origin: Callable[[str], str] = Mode.origin,
) -> dict[str, Any]:
    """Return the result of the work, or for any exception but those ``passed_on`` a failed one."""
    try:
        return work()
    except QgError as error:
        result = {"failed": True, "changed": False, **error.as_result()}
        result["msg"] = explained(error, origin)
        return result
    except passed_on:
        raise
    except Exception as error:
        unexpected = UnexpectedError(error, "The task was not completed")
        return {"failed": True, "changed": False, **unexpected.as_result()}


def explained(error: QgError, origin: Callable[[str], str]) -> str:
    """Return the message of an error, with what has set its option if the task did not."""
    # Most often the URL of an API that cannot be reached is wrong.
    option = error.details.get("option")
    if error.option and origin(error.option) not in (TASK, DEFAULT):
        option = error.option
    if not option:
        return error.message
    return f"{error.message.rstrip('.')}. {option} comes from {origin(option)}."


def secrets_in(params: Params, spec: Spec) -> frozenset[str]:
    """Return the values of all options that are marked ``no_log``, and the secrets in URLs."""
    secrets = set()
    for name, option in spec.items():
        value = str(params.get(name) or "")
        # Blank text is a mistake, and no secret: with it masked, its message would be unreadable.
        if option.get("no_log") and value.strip():
            secrets.add(value)
    if "timeout" in spec:
        secrets.update(environment_secrets())
    if "store" in spec:
        secrets.update(database_secrets(params.get("store")))
    return frozenset(secrets)


def redact(result: dict[str, Any], params: Params, spec: Spec) -> dict[str, Any]:
    """Return the result without any value of an option marked ``no_log``, and safe to display."""
    return clean(result, secrets_in(params, spec))
