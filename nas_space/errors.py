"""The one exception for a mistake of the user: a bad file, key or value, told in one line."""


class InputError(ValueError):
    """Bad input. The message names the culprit and the fix; commands print it alone and exit with code 2."""
