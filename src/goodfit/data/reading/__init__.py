"""Reading: from files and folders to arrays and tables, before anything is decided about them."""
