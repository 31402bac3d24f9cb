"""Measuring a stream as a viewer gets it: any server's Motion JPEG, over HTTP.

`measure.py` counts what arrives, `verdict.py` says what that means, `reading.py` does the waiting.
"""
