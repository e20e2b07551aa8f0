# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The words of messages that tests look for, in one place, so that a message can be reworded here alone.

Names of options, values and addresses stand in the tests; whole words of a sentence stand here. Where a result has a
field that says the same, such as ``error.code``, a test asserts that field instead.
"""

from __future__ import annotations

# Leases: purchases, releases, replacements, and what is unknown of them.
IS_UNKNOWN = "is unknown"
NOT_ONLINE = "waiting because resources are not online yet"
TO_BE_APPLIED_FOR = "+to be applied for"
TO_BE_LEASED = "to be leased"
PLAN_EXPIRED = "was refused with code -100 (plan missing or expired"

NAMES_NOTHING = "does not name what would be released"
NOTHING_WAS_PAID_FOR = "Nothing was paid for"

# The whitelist and the role egress_whitelist.

KEPT_FOR_OTHERS = "kept for others"
NOT_CONFIRMED = "could not be confirmed: QG.net reported"
NOT_PUBLIC = "not an address of the public internet"
NOT_READ_AFTERWARDS = "could not be read afterwards"
NOT_REGISTERED = "which is not registered"
ON_THE_WHITELIST = "on the whitelist"

# Options and variables.
DID_YOU_MEAN = "did you mean"
EMPTY_APP_KEY = "is empty: give the appkey of the page Agent"
EMPTY_PATH = "cannot be used: it is empty"
FORGET_NEEDS_ABSENT = "forget deregisters hosts: set state=absent"
IS_MISSING = "is missing: give it as option"
KEY_IS_EMPTY = "key is empty (''), which never means another key"
KEY_IS_NULL = "key is null, which never means another key"
LEAVE_ONE_OUT = "lies: leave one of them out."
LOOKUP_FAILED = "The lookup qingguo.qgnet.proxy failed: "
NEVER_ALL = ("never means all", "default(omit)")
NO_BOOLEAN = "is not a boolean"
NO_DICTIONARY = "is not a dictionary"
NO_MINUTES = "cannot be used: give a number of minutes"
NO_NUMBER = "is not a number"
NO_OPTION = "is not an option: the options are"
NO_TEXT = "not text: give one text, in quotes"
NO_WHOLE_NUMBER = "is not a whole number: give one, such as 5."
NONE_OF_ITS_VALUES = "is none of its values: give"
NO_LEASE_COUNT = "qg_lease_count is missing: give the number of leases"
MISSPELT_SETTING = "The environment variable {} does not exist: did you mean {}?"
MISSPELT_VARIABLE = "The variable {} does not exist: did you mean {}"
NONE_OF_THE_ROLE = "The variable {} does not exist. Names with {} are those of the role"
WITHOUT_HOSTS = "not with"
IN_THE_ENVIRONMENT = "in the environment of the control node"
NEEDS_PYTHON = "qingguo.qgnet needs Python 3.10 or newer on the host"
NOT_EVALUATED = "cannot be evaluated"
OR_AS = "or as"
PRESENT_OR_ABSENT = "give present or absent"
RELATIVE_PATH = "is a relative path"
SEE_INVENTORY = "is not an option: see ansible-doc -t inventory"
HIDDEN = "********"
IS_EMPTY = "is empty"
NO_KEY_SET = "No key is set"
KEY_IS_WRONG = "The key is wrong"
SET_PASSWORD = "Set password"
RENEW_PLAN = "renew its plan"
TUNNEL_KEY = "as with a tunnel's key"
NO_SOURCE = "name at least one echo service"
ONE_URL = "cannot be used: give one URL"
ONE_WORD = "give one word"
CANNOT_BE_USED = "cannot be used"
OUT_OF_RANGE = "is out of range"

MISSING_IS_UNDEFINED = "'missing' is undefined"
NEVER_MEANS_ALL = "never means all"
NOT_A_WHOLE_NUMBER = "is not a whole number"
NO_SUCH_VARIABLE = "does not exist: did you mean"

# The gateway, lists, metrics, and what else runs unattended.
INSTALL_BOTH = "install ansible-core, and the collection with ansible-galaxy"
NO_QUOTA = "has no quota"

# The user center and the cloud.
CHECK_ACCOUNT = "check app_id, app_key and account_url"
NEEDS_NO_LOG = "include_secrets in a delegated task needs no_log: set no_log=true on the task"
HOURS_ARE_S = "QG.net writes hours with s."
NO_DURATION = "is not a duration"

CLOCK_OPEN = "whether the clock of this machine is right"
NO_LIST = "Data is neither a list nor an object"
NO_OBJECT = "is not an object"
NOTHING_DOCUMENTED = "has none of the documented values"
REFUSED_WITH = "was refused with code"
SET_THE_CLOCK = "set the clock"
SIGNATURE = "The signature was not accepted"

# The network and HTTP.
ALTHOUGH_LISTED = "although its address is on the whitelist"
CORRECT_PROXY = "(environment variable HTTP_PROXY): connection refused. Correct or unset HTTP_PROXY, or name"
DOES_NOT_WORK = "does not work"
LEADS_TO = "leads to"
NO_EGRESS = "No source reports the egress address of this machine"
NO_NAME = "its name cannot be resolved. Check the DNS server of this machine"
NO_USABLE_RESPONSE = "no usable response"
NOT_ON_THE_LIST = "not on the whitelist"
REFUSED = "connection refused"

CHECK = "check that"
TOO_MANY_REQUESTS = "too many requests"
NUMBER_OF_REQUEST = "The vendor's number of this request is"
ADD_LOGIN = "Add them to its URL"
COMPRESSED = "a compressed response"
NO_CERTIFICATES = "holds no certificates in PEM format"
NO_TLS = "does not use TLS, which https in api_url requires"
NOT_TRUSTED = "is not trusted"
PROXY_CANNOT = "cannot connect to"
PROXY_FORBIDS = "does not allow connections to"
PROXY_LOGIN = "does not accept the user name and the password"
PROXY_WANTS_LOGIN = "requires a user name and a password"
REDIRECT = "redirect"
TOO_LARGE = "larger than any of"
TOOK_LONGER = "took longer than"
NOT_THE_VENDORS = "not the vendor's JSON"
UNREADABLE = "the response cannot be read"

# The store.

ANOTHER_LOCKS = "Another process has kept it locked: end or continue"
ANOTHER_WRITES = "Another process writes to it: end or continue"
CHECK_LOGIN = "Check the user and the password"
CHECK_SERVER = "Check the URL, and that the server runs"
CHECK_URL = "Check the URL"
DELETE_THE_ROW = 'delete the row with "DELETE FROM journal WHERE id = {}"'
FOREIGN_DATABASE = "is a database of something else"
FOREIGN_TABLES = "its schema qgnet contains tables of something else"
IS_RELATIVE = "is a relative path, which is another directory wherever Ansible is started"
MAKE_ROOM = "Make room on its disk"
MOVE_DATABASE = "Move state.sqlite3"
NAME_THE_PRIMARY = "Name the primary server"
NEEDS_PSYCOPG = "needs the Python package psycopg"
NEWER_RELEASE = "is of a newer release of qingguo.qgnet"
NOT_ANSWERED = "the server has not answered for 10 seconds"
NO_HOME = "Could not determine home directory"
NO_POSTGRESQL_URL = "store (environment QG_STORE) is not a URL of PostgreSQL: give the URL of a PostgreSQL"
OF_ANOTHER_USER = "it belongs to, or can be written by, another user"
PERCENT_ENCODING = "write special characters of a password in percent-encoding"
POOLER = "is a connection pooler, which loses locks"
RAISE_CONNECTIONS = "Raise the limit of connections"
REGISTERED_ANEW = "registered anew"
ROW_OF_THE_JOURNAL = "cannot be used: row {} of its table journal"
SET_STORE = "Set store (environment QG_STORE) to a directory on a local disk that this user owns."
ANOTHER_RUN = "another run"
NO_SUCH_DATABASE = "does not exist. Check the URL"
NO_DATABASE = "Connection refused. Check the URL, and that the server runs and can be reached"
