# ruff: noqa: E501
"""Mail to a help desk, reports from an emergency, and questions by what they ask for."""

OPENERS = ("Hello,", "Hi team,", "Good morning,", "Dear support,", "Hey,", "To whom it may concern:", "hi there,")

SUPPORT = {
    "complaint": (
        "I have been waiting for weeks and nobody answers, this is unacceptable.", "Your {thing} is a joke and I want someone to take responsibility.", "Third time I write about the {thing} and still no solution.", "I am very unhappy with how your staff treated me.", "You charged me for the {thing} although I cancelled in {month}.",
    ),
    "question": (
        "Does the {thing} work with an older version?", "What is the difference between the basic and the premium {thing}?", "Can I use the {thing} in {country}?", "How long is the guarantee on the {thing}?", "Where do I find the manual of the {thing}?",
    ),
    "bug report": (
        "The {thing} crashes when I press save.", "Since the last update the {thing} shows error {number}.", "The {thing} freezes on start-up and then closes.", "Exporting from the {thing} gives an empty file.", "The button in the {thing} does nothing.",
    ),
    "feature request": (
        "It would be great if the {thing} had a dark mode.", "Please add an export to spreadsheet to the {thing}.", "I wish the {thing} could be shared with my team.", "Could you support {country}'s currency in the {thing}?", "Suggestion: let us sort the list in the {thing} by date.",
    ),
    "billing": (
        "I was charged twice for the {thing} in {month}.", "The invoice for {month} has a wrong amount.", "My credit card was declined when I paid for the {thing}.", "Please send the receipt for the {thing}.", "When will the money for the {thing} be returned?",
    ),
    "cancellation": (
        "Please cancel my subscription to the {thing}.", "I want to close my account at the end of {month}.", "I no longer need the {thing}, how do I stop it?", "Terminate the contract for the {thing}.", "I am leaving for a competitor, cancel everything.",
    ),
    "login problem": (
        "I forgot my password and the reset mail never arrives.", "My account for the {thing} is locked.", "The {thing} says my user name is wrong.", "I cannot sign in to the {thing} from {city}.", "The two-factor code for the {thing} is not accepted.",
    ),
    "delivery": (
        "My {thing} has not arrived yet.", "The parcel with the {thing} was left at the wrong house.", "Can you deliver the {thing} on {day}?", "Tracking of the {thing} has not changed since {day}.", "The {thing} came damaged.",
    ),
    "praise": (
        "Thank you so much, {person} solved my problem with the {thing} in minutes!", "Your {thing} is wonderful, keep it up.", "Great support, I am impressed.", "Just wanted to say that I love the {thing}.", "{person} from your team was very kind.",
    ),
    "outage": (
        "The whole site is down.", "None of our {number} users can reach the {thing}.", "Production database is not responding.", "We cannot take payments since this morning.", "All requests to the {thing} time out.",
    ),
    "sales enquiry": (
        "We would like a quote for 50 licences of the {thing}.", "Can someone call me about buying the {thing}?", "Do you give discounts to schools?", "We are comparing vendors of {thing}s and want a demo on {day}.", "What does the {thing} cost for a team of ten?",
    ),
    "urgent": (
        "This is urgent, please help right now!", "We lose money every minute.", "I need this fixed today.", "ASAP please, our customers are waiting.", "It is an emergency.", "Deadline is in one hour.", "Everything has stopped because of it.",
    ),
    "can wait": (
        "No hurry.", "Whenever you have time.", "It is not important, just asking.", "It can wait until next month.", "Low priority.", "Take your time.", "Just for information.",
    ),
}  # fmt: skip

EMERGENCIES = {
    "medical help": ("The clinic in {place} has run out of bandages and antibiotics.", "Dozens of wounded are waiting for a doctor.", "There is an outbreak of cholera in the camp at {place}.", "We need blood donors and insulin.", "Children have a fever and there is no nurse.", "Hospital in {place} cannot take more patients.", "Ambulances cannot reach {place}.", "Measles spread among children in {place}, vaccines are needed."),
    "drinking water": ("The well in {place} is polluted.", "People drink from the river because the pipes are dry.", "We need bottled water for {people} families.", "There has been no clean water in {place} for a week.", "Purification tablets are needed."),
    "food": ("Rice and oil are running out in {place}.", "{people} people have not eaten for two days.", "Harvest lost to locusts, famine feared in {place}.", "Please send baby formula and flour.", "Bread lines in {place} grow longer."),
    "shelter": ("{people} families lost their homes in {place}.", "We sleep under plastic sheets in the rain.", "Tents and blankets are needed before winter.", "The school gym in {place} houses people whose houses collapsed.", "Roofs were blown away, nobody has a dry place."),
    "rescue": ("My brother is trapped under the rubble in {place}.", "Helicopters pull people from the roofs.", "Two climbers are missing, teams with dogs are on the way.", "Knocking was heard below the collapsed building.", "Divers look for survivors of the ferry.", "{people} miners are still below ground at {place}.", "A boy was pulled alive from the ruins after three days.", "Please help, we are on the roof at {place} and the water is rising.", "{people} people are missing since the avalanche at {place}."),
    "evacuation": ("Residents of {place} have been told to leave at once.", "Buses take {people} people out of the flood zone.", "The road north is the only way out, go now.", "The volcano may erupt, villages are being cleared.", "{people} people were moved to safety before the storm."),
    "roads and buildings": ("The bridge at {place} has collapsed.", "Landslides cut the road to {place}.", "The airport is closed because of cracks in the runway.", "The dam near {place} may break.", "Trucks with aid are stuck because the road is washed away."),
    "electricity and sewage": ("No power in {place} since the storm.", "The generator has no fuel left.", "Sewage runs through the streets of {place}.", "Phone lines and internet are dead.", "Rubbish has not been collected for a month and the toilets overflow.", "Heating and light are out in {people} homes.", "Power lines are down in {place}."),
    "violence and crime": ("Gangs loot shops in {place}.", "Armed men stole the trucks at {place}.", "Three villagers were killed in a dispute over cattle.", "Women are attacked on the way to the market.", "Kidnappers ask for a ransom."),
    "terror attack": ("A bomb went off at the market in {place}.", "A suicide bomber killed {people} people at a checkpoint.", "Extremists claimed the attack on the church.", "Gunmen opened fire in a theatre and took hostages.", "A car bomb hit the embassy.", "Police in {city} stopped a plot to blow up a train.", "{people} hostages are held by extremists in {place}."),
    "change of government": ("The army has taken over the palace and dissolved parliament.", "The president fled after weeks of protest.", "Rebels declared a new government in {place}.", "Crowds demand that the dictator step down.", "The prime minister was arrested in a coup.", "Protesters in {city} want new elections and a new constitution.", "The junta in {country} named a general as head of state.", "After {people} days of strikes the government of {country} resigned.", "Opposition and rebels form a council to rule {country}."),
    "nothing of the kind": ("The festival in {place} starts on {day}.", "Our team won the match in {place}.", "I am looking for a hotel in {place}.", "The minister opened a museum.", "Fishermen in {place} had a good season.", "Pupils of {place} planted trees."),
}  # fmt: skip

QUESTIONS = {
    "person": ("Who painted the {work}?", "Who was the first {role} of {country}?", "Which {role} wrote the {work}?", "What is the name of the {role} who lived in {city}?", "Whose voice is heard in the {work}?"),
    "group or company": ("Which company makes the {object}?", "What team plays in {city}?", "What band recorded the {work}?", "Which organisation gives out the prize for {field}?", "What university is in {city}?"),
    "job or title": ("What is the head of a {field} laboratory called?", "What was {person} by profession?", "What rank did the {role} hold?", "What job did the {role} have before the war?", "What is the title of the ruler of {country}?"),
    "city": ("What is the capital of {country}?", "In which city was the {role} born?", "Where was the {work} first shown?", "What town lies closest to {city}?"),
    "country": ("What country does the {object} come from?", "Which country has the most {animal}s?", "Where did the {role} go into exile?", "In what country is {city}?", "Which country borders {country}?", "Of what country is {city2} the capital?"),
    "mountain, river or sea": ("What river flows through {city}?", "Which mountain is the highest in {country}?", "What sea borders {country}?", "On which island is the {work} kept?"),
    "number of things": ("How many {animal}s live in {country}?", "How many strings does the {object} have?", "How many people speak the language of {country}?", "How many {role}s has {country} had?"),
    "date": ("When was the {object} invented?", "What year did the {role} die?", "When did {country} become independent?", "On what day is the holiday of {country}?"),
    "money": ("How much does a {object} cost?", "What was the salary of a {role} in 1950?", "What is the price of a ticket to {city}?", "How much did they pay for the {work}?"),
    "distance or size": ("How far is {city} from {city2}?", "How tall is a {animal}?", "How big is {country}?", "How long is the bridge in {city}?", "How deep is the lake near {city}?"),
    "weight": ("How heavy is a {animal}?", "How much does a {object} weigh?", "What is the weight of the {work}?", "How many kilos of {food} does a {animal} eat?"),
    "duration": ("How long does a {animal} live?", "How long does it take to fly to {city}?", "How long was the {role} in prison?"),
    "temperature or speed": ("How hot does it get in {city}?", "How fast can a {animal} run?", "At what temperature does {substance} melt?", "What is the top speed of the {object}?"),
    "percentage": ("What percentage of {country} is desert?", "What share of people in {country} own a {object}?", "What are the odds of meeting a {animal}?"),
    "meaning of a word": ("What is {field}?", "What does the word {object} mean?", "What are {substance} and its uses?", "Define {field}.", "What is a {animal}?"),
    "reason": ("Why do {animal}s sleep in winter?", "Why did the {role} resign?", "What causes {disease}?", "Why is {substance} so expensive?", "What made {city} famous?"),
    "way to do something": ("How do I repair a {object}?", "How do you get to {city}?", "How is {substance} made?", "How can {disease} be cured?", "How do {animal}s find food?"),
    "short form": ("What does the abbreviation {letters} stand for?", "What is the acronym for the agency of {field}?", "{letters} means what?", "How do you abbreviate the state of {city}?"),
    "animal": ("What animal eats {food}?", "What is the fastest bird?", "Which {animal} has no teeth?", "What kind of dog is used to find {food}?"),
    "plant or food": ("What fruit is {food} made from?", "What tree grows tallest in {country}?", "What do {animal}s eat?", "What is the traditional dish of {country}?", "What flower is the symbol of {city}?"),
    "disease or medicine": ("What disease is spread by a {animal}?", "What drug helps against {disease}?", "What illness did the {role} die of?", "Which vitamin is missing in people with {disease}?", "What illness makes a {animal} lose its fur?"),
    "language or word": ("What language is spoken in {country}?", "What is the word for {food} in Spanish?", "What is another name for a {object}?", "What do you call a young {animal}?"),
    "colour": ("What colour is the flag of {country}?", "What colour are a {animal}'s eyes?", "What colour is {substance} when it burns?", "What colour was the coat of the {role}?"),
    "book, film or song": ("What film is about a {role} in {city}?", "What song mentions {city}?", "What novel begins with a {animal}?", "What is the title of the {role}'s last book?"),
    "sport or game": ("What sport is played with a {object}?", "What game did {person} invent?", "Which sport is the most popular in {country}?"),
    "event": ("What battle ended the war in {country}?", "What festival is held in {city}?", "What disaster struck {city}?"),
    "material": ("What is a {object} made of?", "What gas do {animal}s breathe out?", "What metal is heaviest?", "What was the {work} carved from?", "What is {food} wrapped in?", "Of which substance are {animal} teeth made?"),
    "tool or product": ("What instrument measures {substance}?", "What kind of car did the {role} drive?", "What machine is used to make {food}?", "What musical instrument did the {role} play?"),
}  # fmt: skip
