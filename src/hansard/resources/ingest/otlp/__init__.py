"""The OpenTelemetry door: traces come in, sessions come out.

`decode` reads a request into spans, `mapping` turns each span into events by the table of its dialect, `claims` says
which session a span names, and `traces` keeps the spans of a trace until its session is settled.
"""
