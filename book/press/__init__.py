"""From clean notebooks to a published book: run the chapters, build the pages, check what
came out.
"""
