"""The speed table: ratios against floors that are measured in turn, in the same run, on the same machine."""
