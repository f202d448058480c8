# ruff: noqa: E501
"""News by section."""

NEWS = {
    "sports": (
        "{team} beat {city2} {score} in the {cup} final.", "Striker from {city} signs a three-year contract with {team}.", "Injury rules the goalkeeper out of the season.",
        "Coach of {team} praises young players after win over {city2}.", "Tennis star reaches the quarter-final in {city}.", "Olympic swimmer breaks the world record.", "The race was decided in the last lap.",
        "Home run in the ninth inning gives {team} the title.", "Boxing champion defends the belt.", "Cricket: {country} lead by 120 runs.",
    ),
    "politics": (
        "{country} goes to the polls as voters choose a new parliament.", "The prime minister of {country} faces a vote of no confidence.", "Senators argue over the {topic} bill.",
        "Opposition party demands an inquiry into the minister.", "President signs law on {topic}.", "Election campaign enters its last week in {country}.", "Governor vetoes {topic} reform.", "Coalition talks collapse in {country}.",
    ),
    "business": (
        "{company} shares fall after profit warning.", "{company} reports quarterly revenue above expectations.", "Central bank of {country} raises interest rates.", "{company} to buy its rival for two billion dollars.",
        "Retail sales slow as inflation bites.", "Oil prices climb on supply worries.", "{company} cuts 3,000 jobs.", "Stock markets close higher in {city}.", "The start-up raised 20 million from investors.",
    ),
    "technology": (
        "New smartphone from {company} has a folding screen.", "Researchers find security hole in popular web browser.", "{company} launches cloud service for developers.", "Artificial intelligence model writes computer code.",
        "Chip maker unveils faster processor.", "Social network {company} changes its privacy settings.", "Open-source database gets a new release.", "Video game console sold out within hours.", "Hackers stole passwords of two million users.",
    ),
    "science": (
        "Astronomers discover a planet around a distant star.", "Physicists measure the mass of a particle more exactly.", "Fossil found in {country} is 200 million years old.", "Space probe sends first pictures of the moon's far side.",
        "Study of bird genes explains their colours.", "Chemists build a material that conducts without loss.", "Telescope detects gas in a young galaxy.", "Biologists observe how cells divide.",
    ),
    "health": (
        "Doctors warn of a flu wave in {country}.", "New vaccine protects against malaria.", "Study links sleep to heart disease.", "Hospital in {city} opens a cancer centre.", "How to lower your blood pressure.",
        "Patients wait months for surgery.", "Eating more fibre reduces the risk of diabetes.", "Mental health of teenagers is getting worse.", "The drug relieves migraine, a trial shows.",
    ),
    "entertainment": (
        "Singer announces world tour starting in {city}.", "The film won three awards at the festival in {city}.", "Actress to star in the new season of the series.", "Rock band releases its first album in ten years.",
        "Comedian hosts the awards show.", "Box office: superhero movie leads again.", "Celebrity couple confirm their wedding.", "TV show ends after eight seasons.",
    ),
    "crime": (
        "Police in {city} arrest man over robbery.", "Court sentences former banker to six years for fraud.", "Two people were shot in {city}.", "Burglars stole jewels from a museum.", "Jury finds the driver guilty.", "Detectives search for a missing woman.",
    ),
    "environment and weather": (
        "Heavy rain floods villages in {country}.", "Wildfire forces thousands to leave their homes.", "Heat wave breaks records in {city}.", "Emissions of carbon dioxide keep rising.", "Forests shrink faster than expected.", "A hurricane heads for the coast.", "Wind power overtakes coal in {country}.",
    ),
    "war and conflict": (
        "Soldiers clash at the border of {country}.", "Cease-fire talks begin in {city}.", "Rebels take a town in the north of {country}.", "Air strike hits a convoy.", "Refugees flee the fighting in {country}.", "{country} tests a missile.",
    ),
    "education": (
        "Universities in {country} raise tuition fees.", "Teachers in {city} go on strike.", "Pupils score better in mathematics.", "School opens a language course.", "Students protest against exams.", "Scholarships for apprentices.",
    ),
    "travel": (
        "Ten quiet beaches in {country}.", "What to see in {city} in two days.", "Airline opens route from {city} to {city2}.", "Hiking along the coast of {country}.", "Where to stay in {city} on a budget.", "Tourists return to {city}.",
    ),
    "food": (
        "How to bake bread with a crisp crust.", "A simple curry with chickpeas.", "The best coffee shops in {city}.", "Chefs share their soup recipes.", "Wine from {country} wins a tasting.", "Grilled fish with lemon and herbs.",
    ),
    "religion": (
        "Pope visits {country}.", "Thousands pray at the mosque in {city}.", "Monks rebuild the temple.", "Church elects a new bishop.", "What the book of Genesis says about creation.", "Pilgrims gather for the feast.",
    ),
    "cars": (
        "The new sedan accelerates in five seconds.", "{company} recalls trucks over faulty brakes.", "Which oil for an old engine?", "Electric cars charge faster in winter now.", "My clutch slips in third gear.", "Motorcycle with a bigger tank.",
    ),
}  # fmt: skip
