"""The customer profile: a user, their orders, and the products in them."""
