"""Arrow types of columns that describe images."""

from typing import Any

import pyarrow as pa


def plain_type(kind: Any) -> Any:
    """The type of the values of a column, which may be stored as categories or with an annotation.

    Example:
        >>> plain_type(pa.dictionary(pa.int8(), pa.string()))
        DataType(string)
    """
    if isinstance(kind, pa.BaseExtensionType):
        return plain_type(kind.storage_type)
    return plain_type(kind.value_type) if pa.types.is_dictionary(kind) else kind


def is_text(kind: Any) -> bool:
    """Whether a column of this type holds one text per row.

    Example:
        >>> is_text(pa.large_string()), is_text(pa.string_view()), is_text(pa.int8())
        (True, True, False)
    """
    types = pa.types
    return any(test(plain_type(kind)) for test in (types.is_string, types.is_large_string, types.is_string_view))


def is_text_list(kind: Any) -> bool:
    """Whether a column of this type holds a list of texts per row.

    Example:
        >>> is_text_list(pa.list_(pa.string())), is_text_list(pa.list_(pa.int8()))
        (True, False)
    """
    types, kind = pa.types, plain_type(kind)
    lists = (types.is_list, types.is_large_list, types.is_fixed_size_list, types.is_list_view, types.is_large_list_view)
    return any(test(kind) for test in lists) and is_text(kind.value_type)


def is_bytes(kind: Any) -> bool:
    """Whether a column of this type holds bytes, such as an encoded image per row.

    Example:
        >>> is_bytes(pa.binary_view()), is_bytes(pa.string())
        (True, False)
    """
    types = pa.types
    tests = (types.is_binary, types.is_large_binary, types.is_binary_view, types.is_fixed_size_binary)
    return any(test(plain_type(kind)) for test in tests)


def is_image(kind: Any) -> bool:
    """Whether a column of this type can hold images: bytes, or bytes and a path, one of which may be absent.

    Example:
        >>> is_image(pa.binary()), is_image(pa.struct({"bytes": pa.binary()})), is_image(pa.struct({"x": pa.int8()}))
        (True, True, False)
    """
    if not pa.types.is_struct(kind):
        return is_bytes(kind)
    fields = {field.name: field.type for field in kind}
    known = {"bytes": is_bytes, "path": is_text}
    return bool({*fields} & {*known}) and all(
        pa.types.is_null(fields[name]) or test(fields[name]) for name, test in known.items() if name in fields
    )


def is_time(kind: Any) -> bool:
    """Whether a column of this type holds dates, times or durations, which have a text; intervals of months have none.

    Example:
        >>> is_time(pa.date32()), is_time(pa.month_day_nano_interval())
        (True, False)
    """
    kind = plain_type(kind)
    return pa.types.is_temporal(kind) and not pa.types.is_interval(kind)


def is_metadata(kind: Any) -> bool:
    """Whether a column of this type can be metadata: one number, boolean, text or date per row.

    Example:
        >>> is_metadata(pa.bool_()), is_metadata(pa.binary())
        (True, False)
    """
    types, kind = pa.types, plain_type(kind)
    tests = (types.is_integer, types.is_floating, types.is_decimal, types.is_boolean, is_time, is_text)
    return any(test(kind) for test in tests)
