"""The strategies that come with the house. They import the SDK like anybody's."""
