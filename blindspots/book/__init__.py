"""What exists because there is a book: figures, words, the ledger, stored results, exercises.

Needs the extra `book`. Nothing else in the package imports from here.
"""
