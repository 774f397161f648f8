"""Checks any Parquet data set or frame with a pandera schema, and reports it; knows no catalogue.

May import: ``errors``, ``redaction``, ``storage``.
"""
