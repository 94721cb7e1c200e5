# Copyright 2026 The zoo authors.
# SPDX-License-Identifier: Apache-2.0
"""The exceptions a user can meet: one base class, one subclass for each kind of thing that can be fixed.

A message names the file, key or index at fault, what was expected, what was found, and how to fix it.
"""


class ZooError(Exception):
    """Base class of every error that a user of the package can cause and fix."""


class ConfigError(ZooError):
    """A configuration, name, flag or argument that cannot work as given."""


class InputError(ZooError):
    """Data handed to a model or a task: token ids, lengths, labels, shapes."""


class FormatError(ZooError):
    """A file whose contents do not match its format or its model's configuration."""


class IntegrityError(ZooError):
    """Something saved that is damaged, incomplete, or belongs to another experiment."""
