"""Programs for people who change the code: vocabulary, renames, import graph. The product never imports them."""
