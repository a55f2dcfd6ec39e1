"""Sources that come with hlmon beside the exchange itself; they use the same door as any other plugin's."""
