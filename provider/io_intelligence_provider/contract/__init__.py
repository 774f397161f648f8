"""One catalogue record becomes one typed row or one failure; the columns are declared in ``columns``.

May import: ``errors``, ``redaction``, ``catalog.wire``, ``quality``.
"""
