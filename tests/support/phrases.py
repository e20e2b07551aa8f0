# Copyright (c) 2026 The qingguo.qgnet authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The words of messages that tests look for, in one place, so that a message can be reworded here alone.

Names of options, values and addresses stand in the tests; whole words of a sentence stand here. Where a result has a
field that says the same, such as ``error.code``, a test asserts that field instead.
"""

from __future__ import annotations

# Leases: purchases, releases, replacements, and what is unknown of them.

NAMES_NOTHING = "does not name what would be released"

# The whitelist and the role egress_whitelist.

KEPT_FOR_OTHERS = "kept for others"
NOT_CONFIRMED = "could not be confirmed: QG.net reported"
NOT_PUBLIC = "not an address of the public internet"
NOT_READ_AFTERWARDS = "could not be read afterwards"
NOT_REGISTERED = "which is not registered"
ON_THE_WHITELIST = "on the whitelist"

# Options and variables.

MISSING_IS_UNDEFINED = "'missing' is undefined"
NEVER_MEANS_ALL = "never means all"
NOT_A_WHOLE_NUMBER = "is not a whole number"
NO_SUCH_VARIABLE = "does not exist: did you mean"

# The gateway, lists, metrics, and what else runs unattended.

# The user center and the cloud.

CLOCK_OPEN = "whether the clock of this machine is right"
NO_LIST = "Data is neither a list nor an object"
NO_OBJECT = "is not an object"
NOTHING_DOCUMENTED = "has none of the documented values"
REFUSED_WITH = "was refused with code"
SET_THE_CLOCK = "set the clock"
SIGNATURE = "The signature was not accepted"

# The network and HTTP.

CHECK = "check that"
TOO_MANY_REQUESTS = "too many requests"
NUMBER_OF_REQUEST = "The vendor's number of this request is"
ADD_LOGIN = "Add them to its URL"
COMPRESSED = "a compressed response"
NO_CERTIFICATES = "holds no certificates in PEM format"
NO_TLS = "does not use TLS, which https in api_url requires"
NO_USABLE_RESPONSE = "no usable response"
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
