"""Pictures that clients or others bring to the storage themselves."""
