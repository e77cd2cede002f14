"""Ids that the documentation shows: of the film set that `cinema up` seeds, so that what is shown can be tried out."""

__all__ = ["FILM", "GENRE", "OTHER_FILM", "OTHER_GENRE", "OTHER_PERSON", "PERSON"]

FILM = "0b7220de-502b-59aa-ba25-73f8886bc850"  # Star Wars: Episode IV
OTHER_FILM = "331a3e1a-0da4-59d4-9ae2-89ca1b9e76bd"  # Star Wars: The Clone Wars
GENRE = "82c69611-ebc4-586c-af6c-cf634436da3a"  # Action
OTHER_GENRE = "9ff0c3a1-53b1-560a-b287-a4ae16afc8bb"  # Adventure
PERSON = "09cad25f-60d5-5d5e-8cb4-698c9429c99f"  # George Lucas
OTHER_PERSON = "02f06efa-eae4-5899-bd79-d42893512ec1"  # Dave Filoni
