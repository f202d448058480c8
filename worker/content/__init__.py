"""What a record says: read from bytes, admitted, decided on, and written again."""
